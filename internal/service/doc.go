// Package service holds the use cases: who may do what, and what is written
// together. Every door of the platform - REST, controller, import, worker -
// comes through here, so that the same rules answer all of them.
package service
