// Package service contains the use cases. They decide who may do what, and what is written in one transaction. REST, the
// controller, the import and the worker all use this package, so the same rules hold for all of them.
//
// # Where to begin
//
// [Records] in records.go is a typical subject: each list and each read is one statement, and each write is one transaction.
// [Comments.Add] can also refuse a request because of the state of the data, and [Assignments.Assign] first confirms a
// password.
//
// # Subjects
//
// Each subject is a type in its own file, and takes only the dependencies that it needs. [API] contains the subjects of the
// HTTP API, and [NewAPI] creates them. [Declarations] is for the controller, [Outbox] and [Cleanup] are for the worker, and
// [Imports] and [Administrators] are for commands. [Authenticator] is not a subject: several subjects use it to check
// passwords and second factors.
//
// # A use case
//
// A use case takes the caller, and has these steps:
//
//  1. admit (access.go) refuses a role that may never do this, and writes an audit row. If no patient's data is concerned,
//     require refuses without an audit row.
//  2. A Validate function of package clinic normalizes the input, and reports all wrong fields at once.
//  3. A read calls a statement of [store.DB.As]. A write runs in [store.DB.Audited], or in [store.DB.Tx] if no patient's
//     data is concerned. Both check access in the database, at this moment.
//  4. once (idempotency.go) runs a write under its Idempotency-Key. It stores the ids of the created objects, so that a
//     repeated request reads the current state of these objects. If they were deleted, orGone returns CodeGone.
//
// Errors are those of package clinic. Package store has already translated the errors of the database.
//
// # Dependencies
//
// [DirectoryCache] and [Throttle] are interfaces that package cache implements with Redis. Each may be nil: then the
// directory comes from Postgres, and attempts are not limited.
package service
