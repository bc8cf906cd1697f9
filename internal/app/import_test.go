package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// bundleCanary represents health data, which must not be printed.
const bundleCanary = "Kanarienvogel"

// goodBundle has a patient, a diagnosis, another one without a date, and a claim.
func goodBundle(number int) string {
	return fmt.Sprintf(`{"resourceType": "Bundle", "type": "transaction", "entry": [
	{"fullUrl": "http://h/Patient/%[1]d", "resource": {"resourceType": "Patient", "name": [{"family": "%[2]s"}], "telecom": [{"system": "phone", "value": "%[2]s"}]}},
	{"fullUrl": "urn:uuid:c%[1]d", "resource": {"resourceType": "Condition", "code": {"text": "%[2]s"}, "onsetDateTime": "2020-01-01", "subject": {"reference": "http://h/Patient/%[1]d"}}},
	{"fullUrl": "urn:uuid:d%[1]d", "resource": {"resourceType": "Condition", "code": {"text": "%[2]s"}, "subject": {"reference": "http://h/Patient/%[1]d"}}},
	{"resource": {"resourceType": "Claim", "status": "%[2]s"}}
	]}`, number, bundleCanary)
}

// bundleFolder has two good files and one that ends in its third line.
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

// runImport runs `healthrecords import fhir` and returns its output.
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
		"Files that were not loaded:", filepath.Join(folder, "b.json")+": the file ends too early at line 2, byte",
		"/entry/0/resource/name/0/family", "Optional fields of accounts that are not valid and were left empty: 2",
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
		t.Errorf("error %v, want schema.ErrBehind", err)
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
