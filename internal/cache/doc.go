// Package cache keeps in Redis what may be lost at any moment: pages of the
// doctor directory, and how often somebody tried to log in. Whatever Redis does,
// nobody waits for it and nobody sees an error: the page then comes from
// Postgres, and each process counts by itself.
//
// Begin with [Directory], in directory.go: it implements service.DirectoryCache.
// [Throttle], in throttle.go, implements service.Throttle. It counts attempts in
// buckets (counters.go), in Redis or, while that is away, in memory. Both ask
// Redis through the breaker (breaker.go): a short timeout for each call, and a
// pause after a failure.
package cache
