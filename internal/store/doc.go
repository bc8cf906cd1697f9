// Package store is the platform's access to Postgres. It contains the SQL statements, and translates every error of the
// database into a clinic error, so that no message from the database leaves the package.
//
// # Where to begin
//
// [Records.List] and [Records.Insert] in records.go are a typical list and a typical write. Their SQL is in
// queries/records.sql, which sqlc compiles to package dbsqlc (hack/generate sqlc). Package schema contains the tables, their
// policies and the rights of each program's role. Package postgres contains what all connections have in common.
//
// # Handles
//
// Each statement is a method of one of the subjects of a [Handle], such as h.Records().Get, h.Sessions().Start or
// h.Outbox().Claim; subjects.go lists the subjects. What a statement may see depends on where the Handle comes from:
//
//	[DB.As]        single statements of a caller: every read of the API
//	[DB.Audited]   a transaction of a caller, or of an import, that touches patients' data, with its audit row
//	[DB.Tx]        a transaction of a caller without patients' data, or, if caller is nil, of the platform (the controller)
//	[DB.Account]   single statements about one account before there is a caller: login, refresh, registration
//	[DB.System]    single statements of the platform: those of the worker, and those of the server that need no caller
//	[DB.TxLocked]  a transaction that changes the schema, such as dropping a month of the audit log
//	[DB.Snapshot]  a read of the audit log as it was at one instant
//
// Two more methods do not return a Handle: [DB.Identify] only checks a caller, for an answer that comes from the cache, and
// [DB.Refused] writes the audit row of a request that the caller's role may never make.
//
// # A read
//
// db.As(caller).Records().Get(ctx, id) takes these steps:
//
//  1. Identify: batchDB (caller.go) sends a call of the SQL function identify, the statement, and the statement that reads the
//     record's comments in one batch, which is one round trip and one transaction. identify fails unless the account is
//     active and has the caller's role, and the session has not ended. It tells the rest of the transaction who the caller is.
//  2. Access: the statement's own condition selects what the caller may read. The policies of row-level security, which
//     read what identify set, check this a second time.
//  3. Audit: handle.auditing (audit_reads.go) makes the audit row of a statement that reads patients' data. The columns
//     seen_patient, seen_through and seen_in_emergency of the statement say whose data a row shows. When all rows are read,
//     auditGroup (audit_group.go) writes the audit rows of all concurrent reads together, and only then the last row is
//     followed by the end: without its audit row, the read fails.
//  4. Errors: translate and orNotFound (errors.go) turn the driver's error into a clinic error. If no row is found, it is
//     CodeNotFound, whether the object does not exist or the caller may not see it.
//
// A list also uses readPage (page.go). It asks for one row more than the page shows, to find out whether there is another
// page, and makes the cursors. A list that can be sorted in several ways is one statement: order.go replaces the marks in
// its SQL.
//
// # A write
//
// A write of one statement, such as that of a new record, is sent like a read: its audit row is a part of the statement.
// Other writes use db.Audited(ctx, caller, object, fn), which takes these steps:
//
//  1. Identify: in the round trip that begins the transaction (tx.go). The field Who of the [Handle] then contains the caller's
//     identity.
//  2. fn runs its statements. A statement that causes an event also adds it to the outbox. Policies check each new row.
//     [Handle.AuditPatient] notes whose data was touched, and [Handle.AuditObject] which object was created.
//  3. The audit row is written, and the transaction commits in the same round trip. A statement that writes the row itself
//     (handle.auditsItself) can be sent with the commit (handle.last). If fn returns an error that refuses the request, such as
//     CodeNotFound or CodeConflict, everything is rolled back, and the audit row with the refusal is written separately.
//  4. Errors: violations and dangling (errors.go) map each constraint that a request can violate to a clinic error. Any
//     other violation is CodeInternal, because validation in package clinic should have prevented it.
//
// # Tests
//
// TestStatementsUseIndexes plans every statement in each of its forms, as each program that may run it.
// TestEveryForeignKeyIsTold and TestConstraintsHoldWhatTheClinicDeclares compare the schema with this package.
package store
