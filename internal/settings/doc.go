// Package settings reads the configuration of each subcommand from environment
// variables. Any variable NAME can be read from a file: NAME_FILE is the path of the
// file, and a line break at its end is ignored. All faults are reported together,
// each with a solution, and no secret is ever printed.
package settings
