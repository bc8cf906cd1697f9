// Package store is the only door to Postgres. It compiles its SQL with sqlc
// and translates every database error into a clinic error, so that no text of
// the database leaves the package. The schema that it needs is in package
// schema.
//
// Statements run on a Handle. [DB.As] gives one that sends each statement with
// the caller's check in one round trip; [DB.Tx] gives one inside a transaction.
package store
