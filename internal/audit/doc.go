// Package audit makes the audit log tamper-evident. The rows are sealed in
// batches: a checkpoint holds the SHA-256 digest of each row of a range of ids,
// and a signed statement that names the digest of them all and the hash of the
// statement before it.
//
//	statement 1 ◄── statement 2 ◄── statement 3      each signed by Ed25519
//	  rows 1-40       rows 41-90      rows 91-95
//
// [Verifier] finds every edited, added, removed or exchanged row and checkpoint,
// and names the row. Without the newest checkpoints and
// their rows the rest of the chain is still whole: only a checkpoint that was kept
// somewhere else shows that they are missing.
package audit
