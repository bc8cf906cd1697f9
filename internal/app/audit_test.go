package app

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/auditlog"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/token"
)

// TestAuditCommands runs the commands of an operator, and then tampers with the log.
func TestAuditCommands(t *testing.T) {
	dsn := testkit.NewDatabase(t, schema.Migrate)
	dir := t.TempDir()
	t.Setenv("DATABASE_URL", dsn)
	t.Setenv("AUDIT_KEYS_DIR", dir)
	run := func(want int, args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		if code := Main(append([]string{"audit"}, args...), strings.NewReader(""), &out, &errs); code != want {
			t.Fatalf("audit %v ends with %d, want %d: %s%s", args, code, want, &out, &errs)
		}
		return out.String()
	}
	if _, err := token.GenerateKey(dir); err != nil {
		t.Fatal(err)
	}
	keys, err := token.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	f := testkit.NewFactory(t, dsn)
	run(1, "checkpoint") // no checkpoint exists
	for range 3 {
		f.Exec(`INSERT INTO audit_log (role, operation, object_kind, reason, decision) VALUES ('ADMIN', 'getAudit', 'audit', 'role', 'allowed')`)
	}
	sealThree(t, f, keys)
	export, checkpoint := filepath.Join(dir, "export.jsonl"), filepath.Join(dir, "checkpoint.json")
	if err := os.WriteFile(checkpoint, []byte(run(0, "checkpoint")), 0o600); err != nil {
		t.Fatal(err)
	}
	id := slices.Collect(maps.Keys(keys.Public()))[0]
	trusted := []string{"--trusted-key", id, "--checkpoint", checkpoint}
	run(0, "export", "--output", export)
	run(1, "export", "--output", export) // the file exists
	run(0, append([]string{"verify"}, trusted...)...)
	run(0, append([]string{"verify", "--export", export}, trusted...)...)
	run(1, "verify", "--trusted-key", "another")
	run(0, "retention", "--dry-run")
	run(1, "retention", "--before", time.Now().AddDate(-5, 0, 0).Format(time.DateOnly))
	f.Exec(`UPDATE audit_log SET operation = 'getRecord' WHERE id = 2`)
	if out := run(1, append([]string{"verify"}, trusted...)...); !strings.Contains(out, "row 2 (checkpoint 1): it was changed") {
		t.Errorf("the row is not named: %s", out)
	}
	content, err := os.ReadFile(export)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(export, []byte(strings.Replace(string(content), `"ADMIN"`, `"DOCTOR"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DATABASE_URL", "") // an export needs no database
	if out := run(1, "verify", "--export", export); !strings.Contains(out, "row 1 (checkpoint 1): it was changed") {
		t.Errorf("the row is not named: %s", out)
	}
}

func sealThree(t *testing.T, f *testkit.Factory, keys *token.Keys) {
	t.Helper()
	sealRows(t, f, keys, 3)
}

// sealRows seals until the row with the id is sealed.
func sealRows(t *testing.T, f *testkit.Factory, keys *token.Keys, last int) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: f.Pool.Config().ConnString()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	sealer, err := auditlog.NewSealer(auditlog.SealerOptions{DB: db, Key: keys.SigningKey})
	testkit.Must(t, err)
	deadline := time.Now().Add(time.Minute)
	for f.Count(`SELECT coalesce(max(last_id), 0) FROM audit_checkpoints`) < last {
		if _, err := sealer.Seal(t.Context()); err != nil || time.Now().After(deadline) {
			t.Fatal("the rows are not sealed in time", err)
		}
	}
}

// TestAuditCommandsNameWhatIsWrong is about mistakes of an operator, not about tampering.
func TestAuditCommandsNameWhatIsWrong(t *testing.T) {
	dsn := testkit.NewDatabase(t, schema.Migrate)
	t.Setenv("DATABASE_URL", dsn)
	dir := t.TempDir()
	_, err := token.GenerateKey(dir)
	testkit.Must(t, err)
	keys, err := token.LoadKeys(dir)
	testkit.Must(t, err)
	f := testkit.NewFactory(t, dsn)
	for range 3 {
		f.Exec(`INSERT INTO audit_log (role, operation, object_kind, reason, decision) VALUES ('ADMIN', 'getAudit', 'audit', 'role', 'allowed')`)
	}
	sealThree(t, f, keys)
	sealAfterRotation(t, f)
	id := slices.Collect(maps.Keys(keys.Public()))[0]
	empty := filepath.Join(t.TempDir(), "empty.jsonl")
	if code := Main([]string{"audit", "export", "--from", "2001-01-01", "--to", "2001-01-31", "--output", empty}, nil, io.Discard, io.Discard); code != 0 {
		t.Errorf("the export of days without rows ends with %d", code)
	}
	nothing := filepath.Join(dir, "nothing.jsonl")
	for _, test := range []struct{ args, want string }{
		{"retention", "AUDIT_KEYS_DIR: is not set"},
		{"export --from 2026-02-01 --to 2026-01-31 --output " + nothing, "--to is before --from"},
		{"verify --trusted-key another", "no checkpoint is signed by a trusted key"},
		{"verify --trusted-key " + id, "--trusted-key does not name every key that signed; missing: "},
		{"verify --export " + empty, "the export contains no checkpoint"},
	} {
		var out, told strings.Builder
		code := Main(append([]string{"audit"}, strings.Fields(test.args)...), nil, &out, &told)
		if code != 1 || !strings.Contains(told.String(), test.want) {
			t.Errorf("%s: exit code %d: %s", test.args, code, told.String())
		}
	}
	if _, err := os.Stat(nothing); err == nil {
		t.Error("there is an export of no days")
	}
}

// sealAfterRotation seals rows with another key than before.
func sealAfterRotation(t *testing.T, f *testkit.Factory) {
	t.Helper()
	other := t.TempDir()
	_, err := token.GenerateKey(other)
	testkit.Must(t, err)
	keys, err := token.LoadKeys(other)
	testkit.Must(t, err)
	for range 3 {
		f.Exec(`INSERT INTO audit_log (role, operation, object_kind, reason, decision) VALUES ('ADMIN', 'getAudit', 'audit', 'role', 'allowed')`)
	}
	sealRows(t, f, keys, 6)
}
