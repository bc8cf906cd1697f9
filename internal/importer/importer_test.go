package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// goodBundle has a patient, their diagnosis, one without a date, and a claim.
func goodBundle(number int) string {
	return fmt.Sprintf(`{"resourceType": "Bundle", "type": "transaction", "entry": [
	{"fullUrl": "http://h/Patient/%[1]d", "resource": {"resourceType": "Patient", "name": [{"family": "%[2]s"}], "telecom": [{"system": "phone", "value": "%[2]s"}]}},
	{"fullUrl": "urn:uuid:c%[1]d", "resource": {"resourceType": "Condition", "code": {"text": "%[2]s"}, "onsetDateTime": "2020-01-01", "subject": {"reference": "http://h/Patient/%[1]d"}}},
	{"fullUrl": "urn:uuid:d%[1]d", "resource": {"resourceType": "Condition", "code": {"text": "%[2]s"}, "subject": {"reference": "http://h/Patient/%[1]d"}}},
	{"resource": {"resourceType": "Claim", "status": "%[2]s"}}
	]}`, number, "Doe")
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line) {
			t.Errorf("%q is missing in:\n%s", line, text)
		}
	}
}

// stubbed imports three valid files through load.
func stubbed(t *testing.T, load func(context.Context, clinic.Import) (clinic.ImportResult, error)) (opts Options, stdout *bytes.Buffer) {
	t.Helper()
	folder := t.TempDir()
	stdout = &bytes.Buffer{}
	opts = Options{Import: load, Report: stdout}
	for i := range 3 {
		opts.Files = append(opts.Files, filepath.Join(folder, fmt.Sprint(i, ".json")))
		write(t, opts.Files[i], goodBundle(i))
	}
	return opts, stdout
}

func run(ctx context.Context, opts Options) error {
	i, err := New(opts)
	if err != nil {
		return err
	}
	return i.Run(ctx)
}

// failSecond loads every file except the second.
func failSecond(fail func() error) func(context.Context, clinic.Import) (clinic.ImportResult, error) {
	calls := 0
	return func(ctx context.Context, bundle clinic.Import) (clinic.ImportResult, error) {
		if calls++; calls == 2 {
			return clinic.ImportResult{}, fail()
		}
		return checkOnly(ctx, bundle)
	}
}

func TestImportStopsWhenInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	opts, stdout := stubbed(t, failSecond(func() error {
		cancel()
		return clinic.Unavailable(context.Canceled)
	}))
	if err := run(ctx, opts); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 of 3 files") {
		t.Errorf("error %v, want context.Canceled and what is loaded", err)
	}
	wantLines(t, stdout.String(), "1 files, 4 resources, 1 records")
}

// The writer of standard input, or of a pipe, may never end it.
func TestImportStopsWhenInterruptedAtAPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // ends the reading
		if f, err := os.OpenFile(pipe, os.O_RDWR, 0); err == nil {
			_ = f.Close()
		}
	})
	stdin, feed := io.Pipe()
	t.Cleanup(func() { _ = feed.Close() })
	for _, name := range []string{"-", pipe} {
		ctx, cancel := context.WithCancel(t.Context())
		loaded := 0
		opts, stdout := stubbed(t, func(ctx context.Context, bundle clinic.Import) (clinic.ImportResult, error) {
			if loaded++; loaded == 3 {
				defer cancel()
			}
			return checkOnly(ctx, bundle)
		})
		opts.Files, opts.Stdin = append(opts.Files, name), stdin
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, opts) }()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "3 of 4 files") {
				t.Errorf("%s: %v, want a note of what is loaded", name, err)
			}
			wantLines(t, stdout.String(), "3 files, 12 resources, 3 records")
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the import still waits", name)
		}
	}
}

func TestDryRunStopsWhenInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	opts, stdout := stubbed(t, nil)
	cancel()
	if err := run(ctx, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	wantLines(t, stdout.String(), "0 files, 0 resources, 0 records")
}

func TestImportStopsWhenTheDatabaseIsGone(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	opts, stdout := stubbed(t, failSecond(func() error { return clinic.Unavailable(gone) }))
	if err := run(t.Context(), opts); !errors.Is(err, gone) {
		t.Errorf("error %v, want the database's", err)
	}
	wantLines(t, stdout.String(), "1 files, 4 resources, 1 records")
}

func TestImportGoesOnAfterAFileThatFails(t *testing.T) {
	t.Parallel()
	opts, stdout := stubbed(t, failSecond(func() error { return clinic.Conflict("username_taken", "this username is taken") }))
	if err := run(t.Context(), opts); err == nil {
		t.Error("no error though a file failed")
	}
	wantLines(t, stdout.String(), "2 files, 8 resources, 2 records", opts.Files[1]+": conflict")
}

// A file that Postgres rolled back twice does not keep the later ones from being loaded.
func TestImportGoesOnAfterAFileThatWasRolledBack(t *testing.T) {
	t.Parallel()
	opts, stdout := stubbed(t, failSecond(func() error { return clinic.Unavailable(&pgconn.PgError{Code: "40P01"}) }))
	if err := run(t.Context(), opts); err == nil {
		t.Error("no error though a file failed")
	}
	wantLines(t, stdout.String(), "2 files, 8 resources, 2 records", opts.Files[1]+": unavailable")
}
