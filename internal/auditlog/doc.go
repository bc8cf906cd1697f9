// Package auditlog manages the rows of the audit log after they are written. A
// row has these stages:
//
//  1. Written: a change of patients' data and its row are one transaction. The rows
//     of reads are written in groups, after the reads (package store). No answer is
//     sent before its row is committed.
//  2. Sealed: when no open transaction can still add an earlier row, [Sealer]
//     computes the digests of the rows, and adds a signed checkpoint with these
//     digests to the chain. The worker calls it every few seconds. Package audit
//     defines the digests, the checkpoints and the signatures.
//  3. Verified: [Verify] compares every row with its digest, and every checkpoint
//     with the one before, in one snapshot of the database. [Export] writes rows
//     with their checkpoints for somebody who verifies them without the database,
//     and [Newest] returns the checkpoint to store outside the database.
//  4. Dropped: [Retention] drops whole months that are older than the retention
//     period, and adds a checkpoint that says which rows they contained, so that
//     [Verify] accepts that these rows are missing.
//
// Users read the log through package service. The command `healthrecords audit`
// runs steps 3 and 4.
package auditlog
