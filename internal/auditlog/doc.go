// Package auditlog takes care of the audit log after its rows are written. The
// life of a row:
//
//  1. Written: the statement that reads or changes patients' data writes the row
//     too, in the same transaction (package store, audit.go). No answer leaves
//     before that transaction is committed.
//  2. Sealed: [Sealer] digests the rows that no open transaction can precede any
//     more, and adds a signed checkpoint with their digests to the chain. The
//     worker calls it every few seconds. Package audit has the digests, the
//     statements and the signatures.
//  3. Verified: [Verify] compares every row with its digest, and every checkpoint
//     with the one before, in one snapshot of the database. [Export] writes rows
//     with their checkpoints for somebody who verifies them without the database,
//     and [Newest] returns the checkpoint to keep elsewhere.
//  4. Dropped: [Retention] drops whole months that are older than the policy keeps,
//     and adds a checkpoint that says which rows they had, so that their absence
//     verifies too.
//
// Users read the log through package service. `healthrecords audit` is the command
// line of 3 and 4.
package auditlog
