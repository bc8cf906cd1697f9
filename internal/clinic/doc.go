// Package clinic is the domain: people, health records, assignments,
// notifications, events, and the errors every edge translates from.
// It imports the standard library only.
package clinic
