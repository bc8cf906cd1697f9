package app

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

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// bundleCanary stands for health data: it must not be printed.
const bundleCanary = "Kanarienvogel"

// goodBundle has a patient, his diagnosis, one without a date, and a claim.
func goodBundle(number int) string {
	return fmt.Sprintf(`{"resourceType": "Bundle", "type": "transaction", "entry": [
	{"fullUrl": "http://h/Patient/%[1]d", "resource": {"resourceType": "Patient", "name": [{"family": "%[2]s"}], "telecom": [{"system": "phone", "value": "%[2]s"}]}},
	{"fullUrl": "urn:uuid:c%[1]d", "resource": {"resourceType": "Condition", "code": {"text": "%[2]s"}, "onsetDateTime": "2020-01-01", "subject": {"reference": "http://h/Patient/%[1]d"}}},
	{"fullUrl": "urn:uuid:d%[1]d", "resource": {"resourceType": "Condition", "code": {"text": "%[2]s"}, "subject": {"reference": "http://h/Patient/%[1]d"}}},
	{"resource": {"resourceType": "Claim", "status": "%[2]s"}}
	]}`, number, bundleCanary)
}

// bundleFolder has two good files and one that is cut off in its third line.
func bundleFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "a.json"), goodBundle(1))
	write(t, filepath.Join(folder, "b.json"), strings.SplitAfter(goodBundle(2), bundleCanary)[0])
	write(t, filepath.Join(folder, "deep", "c.json"), goodBundle(3))
	return folder
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

// runImport runs `healthrecords import fhir` and returns what it printed.
func runImport(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, progress bytes.Buffer
	cmd := newImportCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append([]string{"fhir"}, args...))
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&progress)
	err = cmd.ExecuteContext(t.Context())
	if strings.Contains(out.String()+progress.String(), bundleCanary) || err != nil && strings.Contains(err.Error(), bundleCanary) {
		t.Errorf("health data is printed:\n%s%s%v", out.String(), progress.String(), err)
	}
	return out.String(), progress.String(), err
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line) {
			t.Errorf("%q is missing in:\n%s", line, text)
		}
	}
}

func TestImportLoadsWhatIsGoodAndNamesWhatIsBroken(t *testing.T) { //nolint:paralleltest // sets DATABASE_URL
	dsn := testkit.NewDatabase(t, schema.Migrate)
	t.Setenv("DATABASE_URL", dsn)
	folder := bundleFolder(t)
	stdout, stderr, err := runImport(t, "", folder)
	if err == nil {
		t.Error("no error though a file is broken")
	}
	wantLines(t, stdout,
		"patients              2         0          0", "DIAGNOSIS             2         0          0",
		"2  Claim", "2  Condition: it has no date",
		filepath.Join(folder, "a.json")+": Condition at line 4, byte 463, /entry/2/resource: it has no date",
		"Files of which nothing was loaded:", filepath.Join(folder, "b.json")+": the file ends too early at line 2, byte",
		"/entry/0/resource/name/0/family", "Optional fields of accounts that were not valid and stay empty: 2",
		"2 files, 8 resources, 2 records")
	wantLines(t, stderr, "3 of 3 files, 2 records")
	write(t, filepath.Join(folder, "b.json"), goodBundle(2))
	stdout, _, err = runImport(t, "", folder)
	if err != nil {
		t.Errorf("mended and run again: %v", err)
	}
	wantLines(t, stdout, "patients              1         0          2", "DIAGNOSIS             1         0          2")
	db := testkit.NewFactory(t, dsn)
	if n := db.Count(`SELECT count(*) FROM health_records`); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
}

func TestImportWantsAMigratedDatabase(t *testing.T) { //nolint:paralleltest // sets DATABASE_URL
	t.Setenv("DATABASE_URL", testkit.NewDatabase(t, nil))
	if _, _, err := runImport(t, goodBundle(1), "-"); !errors.Is(err, schema.ErrBehind) {
		t.Errorf("error %v, want ErrSchemaBehind", err)
	}
}

func TestImportDryRunNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	stdout, _, err := runImport(t, goodBundle(1), "--dry-run", "-")
	if err != nil {
		t.Error(err)
	}
	wantLines(t, stdout, "valid", "patients              1\n", "DIAGNOSIS             1\n", "standard input: Condition at line 4")
}

func TestImportOfNothingIsAnError(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {t.TempDir()}, {filepath.Join(t.TempDir(), "missing")}} {
		if _, _, err := runImport(t, "", append(args, "--dry-run")...); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

// stubbedRun loads three good files by way of load.
func stubbedRun(t *testing.T, load func(context.Context, clinic.Import) (clinic.ImportResult, error)) (run importRun, stdout *bytes.Buffer) {
	t.Helper()
	folder := t.TempDir()
	run = importRun{load: load, stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	for i := range 3 {
		run.files = append(run.files, filepath.Join(folder, fmt.Sprint(i, ".json")))
		write(t, run.files[i], goodBundle(i))
	}
	stdout = &bytes.Buffer{}
	run.stdout = stdout
	return run, stdout
}

// failSecond loads all but the second file.
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
	run, stdout := stubbedRun(t, failSecond(func() error {
		cancel()
		return clinic.Unavailable(context.Canceled)
	}))
	if err := run.do(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 of 3 files") {
		t.Errorf("error %v, want context.Canceled and what is loaded", err)
	}
	wantLines(t, stdout.String(), "1 files, 4 resources, 1 records")
}

// Whoever feeds standard input, or a pipe, may never end.
func TestImportStopsWhenInterruptedAtAPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // what waits for it ends
		if f, err := os.OpenFile(pipe, os.O_RDWR, 0); err == nil {
			_ = f.Close()
		}
	})
	stdin, feed := io.Pipe()
	t.Cleanup(func() { _ = feed.Close() })
	for _, name := range []string{"-", pipe} {
		ctx, cancel := context.WithCancel(t.Context())
		loaded := 0
		run, stdout := stubbedRun(t, func(ctx context.Context, bundle clinic.Import) (clinic.ImportResult, error) {
			if loaded++; loaded == 3 {
				defer cancel()
			}
			return checkOnly(ctx, bundle)
		})
		run.files, run.stdin = append(run.files, name), stdin
		ended := make(chan error, 1)
		go func() { ended <- run.do(ctx) }()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "3 of 4 files") {
				t.Errorf("%s: %v, want what is loaded", name, err)
			}
			wantLines(t, stdout.String(), "3 files, 12 resources, 3 records")
		case <-time.After(10 * time.Second):
			t.Errorf("%s: it waits on", name)
		}
	}
}

func TestDryRunStopsWhenInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	run, stdout := stubbedRun(t, checkOnly)
	cancel()
	if err := run.do(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	wantLines(t, stdout.String(), "0 files, 0 resources, 0 records")
}

func TestImportStopsWhenTheDatabaseIsGone(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	run, stdout := stubbedRun(t, failSecond(func() error { return clinic.Unavailable(gone) }))
	if err := run.do(t.Context()); !errors.Is(err, gone) {
		t.Errorf("error %v, want the database's", err)
	}
	wantLines(t, stdout.String(), "1 files, 4 resources, 1 records")
}

func TestImportGoesOnAfterAFileThatFails(t *testing.T) {
	t.Parallel()
	run, stdout := stubbedRun(t, failSecond(func() error { return clinic.Conflict("username_taken", "this username is taken") }))
	if err := run.do(t.Context()); err == nil {
		t.Error("no error though a file failed")
	}
	wantLines(t, stdout.String(), "2 files, 8 resources, 2 records", run.files[1]+": conflict")
}

// Whom Postgres rolled back twice loses one file, not all that come after it.
func TestImportGoesOnAfterAFileThatWasRolledBack(t *testing.T) {
	t.Parallel()
	run, stdout := stubbedRun(t, failSecond(func() error { return clinic.Unavailable(&pgconn.PgError{Code: "40P01"}) }))
	if err := run.do(t.Context()); err == nil {
		t.Error("no error though a file failed")
	}
	wantLines(t, stdout.String(), "2 files, 8 resources, 2 records", run.files[1]+": unavailable")
}

func TestBundleFilesAreSortedAndNotHidden(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"b.json", "a.JSON", "c.txt", "sub/d.json", ".hidden.json", ".git/e.json"} {
		write(t, filepath.Join(folder, name), "")
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe.json"), 0o600); err != nil { // nobody writes to it
		t.Fatal(err)
	}
	named := filepath.Join(folder, "c.txt")
	got, err := bundleFiles([]string{named, folder, "-"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		named, filepath.Join(folder, "a.JSON"), filepath.Join(folder, "b.json"), filepath.Join(folder, "sub", "d.json"), "-",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFileNamesCannotCommandATerminal(t *testing.T) {
	t.Parallel()
	if got := printable("a\x1b[2Jb.json"); strings.Contains(got, "\x1b") {
		t.Errorf("printed as %q", got)
	}
	if got := printable("José.json"); got != "José.json" {
		t.Errorf("printed as %q", got)
	}
}
