package main

import (
	"syscall"
	"time"
)

// sleepUntil returns at the time, about 60 µs late. A timer of Go is up to a millisecond late while nothing else happens, which
// would count as latency.
func sleepUntil(at time.Time) {
	for left := time.Until(at); left > 0; left = time.Until(at) {
		duration := syscall.NsecToTimespec(left.Nanoseconds())
		_ = syscall.Nanosleep(&duration, nil) // a signal interrupts it
	}
}
