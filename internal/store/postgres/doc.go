// Package postgres holds what every connection to Postgres has in common,
// whether it runs the platform's statements (package store) or changes the
// schema (package schema): which server it goes to, how each side notices that
// the other one is gone, and how long a change of the schema waits for locks.
package postgres
