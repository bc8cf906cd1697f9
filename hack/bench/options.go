package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// options are what the command's flags say.
type options struct {
	root     string // the module's directory
	binary   string
	patients int
	rounds   int
	seconds  float64
	only     *regexp.Regexp
	settings []string // of the server, in addition
	growth   bool
	write    bool

	smallPatients int // of the database that growth compares with
	manyRecords   int // of each patient of the doctor with many
}

func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	o.smallPatients, o.manyRecords = 1000, 2000
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	size := flags.String("size", "10k", "number of patients, such as 500, 1k, 100k or 300k")
	only := flags.String("scenario", "", "regular expression of the names of the scenarios to measure")
	settings := flags.String("settings", "", "further settings of the server, as NAME=value separated by spaces")
	flags.StringVar(&o.binary, "binary", "bin/healthrecords", "path of the healthrecords program")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of each measurement")
	flags.Float64Var(&o.seconds, "seconds", 3, "duration of a round")
	flags.BoolVar(&o.growth, "growth", false, "also compare a database of 1k patients with one of the size")
	flags.BoolVar(&o.write, "write", false, "write docs/performance.md")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if o.patients, err = parseSize(*size); err != nil {
		return o, fmt.Errorf("reading -size: %w", err)
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("reading -scenario: %w", err)
	}
	if o.rounds < 1 || o.seconds <= 0 {
		return o, errors.New("there must be at least one round, and it must last for some time")
	}
	if o.settings, err = parseSettings(*settings); err != nil {
		return o, fmt.Errorf("reading -settings: %w", err)
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return o, fmt.Errorf("finding the program: %w", err)
	}
	if _, err := os.Stat(o.binary); err != nil {
		return o, fmt.Errorf("looking for the program to measure (`make build` builds bin/healthrecords): %w", err)
	}
	if o.root, err = os.Getwd(); err != nil {
		return o, fmt.Errorf("finding the working directory: %w", err)
	}
	return o, nil
}

func parseSettings(text string) ([]string, error) {
	settings := strings.Fields(text)
	for _, setting := range settings {
		if name, _, found := strings.Cut(setting, "="); !found || name == "" {
			return nil, fmt.Errorf("%q is not of the form NAME=value; a value cannot contain spaces", setting)
		}
	}
	return settings, nil
}

// checkSelection returns an error, which lists the names of all scenarios, if the options select none.
func checkSelection(o options, p population) error {
	scenarios := append(p.scenarios(), overloaded(p))
	if o.growth {
		scenarios = append(scenarios, newUneven(p, o.manyRecords).pages(0)...)
	}
	names := make([]string, 0, len(scenarios))
	for _, c := range scenarios {
		if o.only.MatchString(c.name) {
			return nil
		}
		names = append(names, c.name)
	}
	return fmt.Errorf("no scenario has a name that matches %q; these are the names:\n  %s", o.only, strings.Join(names, "\n  "))
}
