// Package store is the only way to Postgres. It holds the platform's statements, and translates every error of the
// database into a clinic error, so that no text of the database leaves the package.
//
// # Where to begin
//
// [Records.List] and [Records.Insert] in records.go are a list and a write as all others are. Their SQL is in
// queries/records.sql, which sqlc compiles to package dbsqlc (hack/generate sqlc). Package schema has the tables, their
// policies and the rights of each program's role. Package postgres has what every connection has in common.
//
// # Handles
//
// A statement is a method of a subject of a [Handle]: h.Records().Get, h.Sessions().Start, h.Outbox().Claim; subjects.go
// lists the subjects. What a statement may see depends on where the Handle comes from:
//
//	[DB.As]        single statements of a caller: every read of the API
//	[DB.Audited]   a transaction of a caller, or of an import, that touches patients' data, with its audit row
//	[DB.Tx]        a transaction of a caller without patients' data, or (caller nil) of the platform, as the controller's
//	[DB.Account]   single statements about one account before there is a caller: login, refresh, registration
//	[DB.System]    single statements of the platform: the worker's, and the server's that need no caller, as the time
//	[DB.TxLocked]  a transaction that changes the schema, such as dropping a month of the audit log
//	[DB.Snapshot]  a read of the audit log as it was at one instant
//
// Two more send no statement of a subject: [DB.Identify] checks a caller alone, for an answer that comes from the cache,
// and [DB.Refused] writes the audit row of a request that the caller's role may never make.
//
// # A read
//
// db.As(caller).Records().Get(ctx, id) goes through these steps:
//
//  1. Identify: callerDB (caller.go) sends the statement in one batch behind a call of the function identify, in one
//     round trip and one transaction. identify fails unless the account is active in that role and the session has not
//     ended, and sets who the caller is for the rest of the transaction.
//  2. Access: the statement's own condition names what the caller may read. The policies of row-level security, which
//     read what identify set, hold it a second time.
//  3. Audit: handle.auditing (audit.go) wraps a statement of patients' data in one that writes the audit row too. The
//     statement says whose data a row shows in its columns seen_patient, seen_through and seen_in_emergency.
//  4. Errors: translate and orNotFound (errors.go) turn the driver's error into a clinic error. No row is CodeNotFound,
//     whether the object does not exist or the caller may not see it.
//
// A list has two more parts. readPage (page.go) asks for one row more than the page shows, which says whether the list
// goes on, and makes the cursors. A list with several orders is written once: order.go rewrites the marks in its SQL.
//
// # A write
//
// db.Audited(ctx, caller, object, fn) goes through these steps:
//
//  1. Identify: the first statement of the transaction, as above. [Handle] then has the caller's profiles in Who.
//  2. fn runs its statements. A statement that writes an event adds it to the outbox in the same SQL. Policies check
//     each new row. [Handle.AuditPatient] notes whose data was touched, and [Handle.AuditObject] what was made.
//  3. The audit row is written, and the transaction commits. When fn returns an error that refuses the caller, such as
//     CodeNotFound or CodeConflict, everything is rolled back, and a row with the refusal is written by itself.
//  4. Errors: violations and dangling (errors.go) give each constraint that a request can violate its clinic error. Any
//     other violation is CodeInternal: validation in package clinic should have come first.
//
// # Tests
//
// TestStatementsUseIndexes plans every statement in each of its forms, as each program that may run it.
// TestEveryForeignKeyIsTold and TestConstraintsHoldWhatTheClinicDeclares compare the schema with this package.
package store
