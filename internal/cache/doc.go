// Package cache keeps in Redis what may be lost at any moment: pages of the
// doctor directory, and the number of attempts to log in, to confirm an action or
// to register. If Redis fails, callers get no error and wait only briefly: the
// directory comes from Postgres, and each process counts the attempts in its own
// memory.
//
// Begin with [Directory], in directory.go, which implements
// service.DirectoryCache. [Throttle], in throttle.go, implements service.Throttle.
// It counts attempts in buckets (counters.go), in Redis or, if Redis is
// unavailable, in memory. Both use a circuit breaker (breaker.go): each call of
// Redis has a short timeout, and a failure is followed by a pause without calls.
package cache
