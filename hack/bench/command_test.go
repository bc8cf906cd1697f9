package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// TestMain makes the test's binary the load generator if it is started as that.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == generateCommand {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestCommand runs all of it, for a moment.
func TestCommand(t *testing.T) {
	program := filepath.Join(t.TempDir(), "healthrecords")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "../..", "-buildvcs=false", "-ldflags=-s -w", "-o", program, ".")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, output)
	}
	t.Run("measures", func(t *testing.T) { expectFigures(t, program) })
	t.Run("leaves nothing behind if it is interrupted", func(t *testing.T) { interrupted(t, program) })
}

// tinyOptions are those of a run that takes seconds. It has a directory of its own for data, which Postgres can reach.
func tinyOptions(t *testing.T, program, scenarios string) (o options, data string) {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := os.MkdirTemp("/var/tmp", "bench-") //nolint:usetesting // t.TempDir is below a directory that is closed to Postgres
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	if err := os.Chmod(data, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", data)
	return options{
		root: root, binary: program, patients: 200, rounds: 1, seconds: 0.2, only: regexp.MustCompile(scenarios),
		growth: true, write: true, smallPatients: leastPatients, manyRecords: 30,
	}, data
}

// expectFigures checks that the answers of the server are right, and that the document has figures.
func expectFigures(t *testing.T, program string) {
	t.Helper()
	o, data := tinyOptions(t, program, "^record by id, as its patient$|^change|^refresh|one type$|^overload")
	var stdout bytes.Buffer
	if err := measure(t.Context(), o, &stdout, t.Output()); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(o.root, "docs/performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	const figure = `[1-9][0-9,]* \([0-9,]+-[0-9,]+\)`
	for _, row := range []string{
		`record by id, as its patient \| ` + figure + ` \| ` + figure + ` \| [0-9.]+ \|`, // with a plain statement
		`change a record \| ` + figure + ` \|  \|  \| [0-9.]+ \|`,                        // without
		`refresh a token \| fixed rate \| ` + figure,
		`overload: .* \| 768 connections \| ` + figure,
		`record by id, as its patient \| ` + figure + ` \| ` + figure + `( \| [0-9.]+ → [0-9.]+){2} \| [0-9.]+ \| [0-9.]+ \|`, // growth
		`20 records, of one type \| ` + figure + ` \| ` + figure + `( \| [0-9.]+ → [0-9.]+){2} \| [0-9.]+ \| [0-9.]+ \|`,
	} {
		if !regexp.MustCompile(row).Match(page) {
			t.Errorf("the document has no row %s:\n%s", row, page)
		}
	}
	for _, title := range []string{"Throughput and costs", "Latencies", "The server's process", "Growth"} {
		if !strings.Contains(stdout.String(), title) {
			t.Errorf("the output has no table %q:\n%s", title, stdout.String())
		}
	}
	expectEmpty(t, data)
}

// interrupted interrupts a run while requests are sent.
func interrupted(t *testing.T, program string) {
	t.Helper()
	o, data := tinyOptions(t, program, "^record by id")
	o.growth, o.seconds = false, 60
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	err := measure(ctx, o, io.Discard, &watcher{text: "1/2 ", do: interrupt})
	if err == nil || errors.Is(err, errLeft) {
		t.Fatalf("measure() = %v, want the error of an interruption that left nothing", err)
	}
	expectEmpty(t, data)
	if _, err := os.Stat(filepath.Join(o.root, "docs/performance.md")); err == nil {
		t.Error("the document was written")
	}
}

func expectEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// watcher does something once a text is written.
type watcher struct {
	text string
	do   func()
	once sync.Once
}

// Write implements io.Writer.
func (w *watcher) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.once.Do(w.do)
	}
	return len(p), nil
}

// TestWrongOptionsEndTheCommandAtOnce checks that nothing is started, and that the message names what to mend.
func TestWrongOptionsEndTheCommandAtOnce(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "healthrecords")
	if err := os.WriteFile(program, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]struct {
		code int
		text string
	}{
		"-size=5x":                    {exitUsage, "-size"},
		"-size=99":                    {exitUsage, "-size"},
		"-scenario=(":                 {exitUsage, "-scenario"},
		"-settings=LOG_LEVEL":         {exitUsage, `"LOG_LEVEL"`},
		"-rounds=0":                   {exitUsage, "round"},
		"-binary=" + program + ".old": {exitUsage, "program"},
		"-scenario=^nothing":          {exitFailure, "log in"},
	} {
		var stderr strings.Builder
		code := run([]string{"-binary=" + program, args}, io.Discard, &stderr)
		if code != want.code || !strings.Contains(stderr.String(), want.text) || strings.Contains(stderr.String(), "starting") {
			t.Errorf("%s: exit code %d, want %d, and a message with %q: %s", args, code, want.code, want.text, stderr.String())
		}
	}
}
