// Package service holds the use cases: who may do what, and what is written together. Every way into the platform - REST,
// controller, import, worker - comes through here, so that the same rules hold for all of them.
//
// # Where to begin
//
// [Records] in records.go is a subject as most are: lists and reads are one statement, writes one transaction.
// [Comments.Add] also refuses by the state of the data, [Assignments.Assign] confirms a password first.
//
// # Subjects
//
// Each subject is a type in a file of its own, with only the parts that it needs. [API] has those of the HTTP API, and
// [NewAPI] connects them. [Declarations] is for the controller, [Outbox] and [Cleanup] for the worker, [Imports] and
// [Administrators] for commands. [Authenticator] is no subject: it checks passwords and second factors for several.
//
// # A use case
//
// A use case takes the caller, and goes through these steps:
//
//  1. admit (access.go) refuses a role that may never do this, with an audit row. Where no patient's data is concerned,
//     require refuses without a row.
//  2. The Validate method of package clinic normalizes what was sent, and reports every wrong field at once.
//  3. A read calls a statement of [store.DB.As]. A write runs in [store.DB.Audited], or in [store.DB.Tx] where no
//     patient's data is concerned. Both decide about access in the database, at this moment.
//  4. once (idempotency.go) runs a write under its Idempotency-Key. It keeps the ids of what was made, so that a
//     repetition reads what these ids name now; orGone is its answer where that was deleted.
//
// Errors are those of package clinic. Statements have already translated the database's.
//
// # What it asks of others
//
// [DirectoryCache] and [Throttle] are interfaces of this package; package cache implements both on Redis. Each may be
// nil: the directory then comes from Postgres, and nobody is slowed down.
package service
