// Package settings reads the configuration of each subcommand from environment
// variables. Any variable NAME can be given as a file instead: NAME_FILE names
// it, and a line break at its end does not count. All faults are reported
// together, each with what to do about it, and no secret is ever printed.
package settings
