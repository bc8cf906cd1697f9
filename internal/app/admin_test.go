package app

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// run runs the program and returns its output and its exit code.
func run(t *testing.T, args ...string) (stdout string, code int) {
	t.Helper()
	var out, complaints bytes.Buffer
	code = Main(args, strings.NewReader(""), &out, &complaints)
	if code != 0 {
		t.Logf("%s: %s", strings.Join(args, " "), complaints.String())
	}
	return out.String(), code
}

func TestAdminCreateIfMissing(t *testing.T) { //nolint:paralleltest // sets DATABASE_URL
	dsn := testkit.NewDatabase(t, schema.Migrate)
	t.Setenv("DATABASE_URL", dsn)
	db := testkit.NewFactory(t, dsn)
	db.Patient(testkit.PatientOptions{Person: testkit.Person{Username: "patient1"}})
	password := filepath.Join(t.TempDir(), "password")
	write(t, password, "long enough for everybody\n")
	create := func(username string, more ...string) int {
		t.Helper()
		_, code := run(t, append([]string{"admin", "create", "--username", username, "--password-file", password}, more...)...)
		return code
	}
	hash := func() (hash string) {
		t.Helper()
		if err := db.Pool.QueryRow(t.Context(), `SELECT password_hash FROM users WHERE username = 'admin'`).Scan(&hash); err != nil {
			t.Fatal(err)
		}
		return hash
	}
	if code := create("admin", "--if-missing"); code != 0 {
		t.Fatalf("a missing administrator: exit code %d", code)
	}
	first := hash()
	write(t, password, "another password altogether\n")
	for _, test := range []struct {
		what, username string
		flags          []string
		want           int
	}{
		{"an administrator who exists", "admin", []string{"--if-missing"}, 0},
		{"the same in capitals", "ADMIN", []string{"--if-missing"}, 0},
		{"an administrator who exists, without the flag", "admin", nil, 1},
		{"a patient of that name", "patient1", []string{"--if-missing"}, 1},
	} {
		if code := create(test.username, test.flags...); code != test.want {
			t.Errorf("%s: exit code %d, want %d", test.what, code, test.want)
		}
	}
	if hash() != first {
		t.Error("the administrator's password was changed")
	}
	if n := db.Count(`SELECT count(*) FROM users WHERE role = $1`, clinic.RoleAdmin); n != 1 {
		t.Errorf("there are %d administrators", n)
	}
}

func TestMigrateMakesTheRolesWhosePasswordsAreSet(t *testing.T) { //nolint:paralleltest // sets variables
	dsn := testkit.NewDatabase(t, nil)
	t.Setenv("DATABASE_URL", dsn)
	if out, code := run(t, "migrate"); code != 0 || strings.Contains(out, "role") {
		t.Fatalf("without passwords: exit code %d, %s", code, out)
	}
	password := filepath.Join(t.TempDir(), "password")
	write(t, password, "known-to-tests\n") // the password in rights.URL
	t.Setenv("SERVER_DATABASE_PASSWORD_FILE", password)
	t.Setenv("CONTROLLER_DATABASE_PASSWORD", "another")
	t.Setenv("CONTROLLER_DATABASE_ROLE", "renamed")
	for range 2 {
		out, code := run(t, "migrate")
		if code != 0 || !strings.Contains(out, "healthrecords_server") || !strings.Contains(out, "renamed") || strings.Contains(out, "worker") {
			t.Fatalf("exit code %d: %s", code, out)
		}
	}
	db, err := store.Open(t.Context(), store.Options{URL: rights.URL(t, dsn, schema.PartServer)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := schema.Check(t.Context(), db); err != nil {
		t.Errorf("the server's role: %v", err)
	}
	t.Setenv("CONTROLLER_DATABASE_ROLE", "healthrecords_server")
	if _, code := run(t, "migrate"); code == 0 {
		t.Error("one role for two parts is taken")
	}
}
