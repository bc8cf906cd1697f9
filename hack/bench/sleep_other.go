//go:build !linux

package main

import "time"

func sleepUntil(at time.Time) { <-time.After(time.Until(at)) }
