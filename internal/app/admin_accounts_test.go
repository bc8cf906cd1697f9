package app

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/token"
	"github.com/healthrecords/healthrecords/server"
)

const chosen = "a password of their own"

// clinicAPI serves the API over the database, with the rights of the server, and returns a function that posts to it.
func clinicAPI(t *testing.T, dsn string) func(path, body string) int {
	t.Helper()
	dir := t.TempDir()
	testkit.Value(token.GenerateKey(dir))(t)
	access := token.AccessOptions{Keys: testkit.Value(token.LoadKeys(dir))(t), Issuer: "test", Audience: "test"}
	log := slog.New(slog.DiscardHandler)
	api := testkit.Value(service.NewAPI(service.APIOptions{
		DB: rights.OpenAs(t, dsn, schema.PartServer, store.Options{}), Passwords: testkit.Value(token.NewHasher(token.HasherOptions{}))(t),
		Tokens: testkit.Value(token.NewSigner(access))(t), Log: log,
	}))(t)
	handler := testkit.Value(server.New(server.Options{Service: api, Verifier: testkit.Value(token.NewVerifier(access))(t), Log: log}))(t)
	return func(path, body string) int {
		t.Helper()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if got := answer.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control: %s", path, got)
		}
		return answer.Code
	}
}

// runTold is run with standard input and what the command prints for people.
func runTold(stdin string, args ...string) (stdout, stderr string, code int) {
	var out, told bytes.Buffer
	code = Main(args, strings.NewReader(stdin), &out, &told)
	return out.String(), told.String(), code
}

// readCodes returns the rows of a file of codes, without its header.
func readCodes(t *testing.T, path string) [][]string {
	t.Helper()
	info := testkit.Value(os.Stat(path))(t)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the file is %v", info.Mode())
	}
	rows := testkit.Value(csv.NewReader(bytes.NewReader(testkit.Value(os.ReadFile(path))(t))).ReadAll())(t)
	if header := strings.Join(rows[0], ","); header != "username,code,expires_at" {
		t.Errorf("the header is %s", header)
	}
	return rows[1:]
}

// TestImportedPatientsGetIn takes the whole way: import, codes, reset, login.
func TestImportedPatientsGetIn(t *testing.T) { //nolint:paralleltest // sets DATABASE_URL
	dsn := testkit.NewDatabase(t, rights.Migrate)
	t.Setenv("DATABASE_URL", dsn)
	db := testkit.NewFactory(t, dsn)
	registered, admin := db.Patient(testkit.PatientOptions{}).User, db.Admin()
	bundles, folder := bundleFolder(t), t.TempDir()
	_, _ = run(t, "import", "fhir", bundles) // one of the three files is broken
	post := clinicAPI(t, dsn)

	first := filepath.Join(folder, "codes.csv")
	out, told, code := runTold("", "admin", "issue-codes", "--without-password", "--valid-for", "336h", "--file", first)
	if code != 0 || !strings.Contains(out, "issued 2 codes, valid for 336h") {
		t.Fatalf("exit code %d: %s%s", code, out, told)
	}
	rows := readCodes(t, first)
	if len(rows) != 2 {
		t.Fatalf("%d codes", len(rows))
	}
	for _, row := range rows {
		expires := testkit.Value(time.Parse(time.RFC3339, row[2]))(t)
		if row[0] == registered.Username || time.Until(expires) < 335*time.Hour {
			t.Errorf("a code for %s until %s", row[0], row[2])
		}
	}
	row := rows[0] // the other account stays without a password
	login := fmt.Sprintf(`{"username": %q, "password": %q}`, row[0], chosen)
	reset := fmt.Sprintf(`{"username": %q, "code": %q, "new_password": %q, "new_password_confirm": %[3]q}`, row[0], row[1], chosen)
	for _, step := range []struct {
		path, body string
		want       int
	}{
		{"/api/auth/login/", login, http.StatusUnauthorized},
		{"/api/auth/password/reset/", strings.Replace(reset, chosen, "another", 1), http.StatusUnprocessableEntity},
		{"/api/auth/password/reset/", reset, http.StatusNoContent},
		{"/api/auth/login/", login, http.StatusOK},
		{"/api/auth/password/reset/", reset, http.StatusUnauthorized},
	} {
		if got := post(step.path, step.body); got != step.want {
			t.Errorf("%s answered %d, want %d", step.path, got, step.want)
		}
	}
	for event, want := range map[string]int{"reset_codes.issued": 1, "reset_code.issued": 0, "password.reset": 0} {
		if n := db.Count(`SELECT count(*) FROM outbox WHERE type = $1`, event); n != want {
			t.Errorf("%d events %s, want %d", n, event, want)
		}
	}
	if n := db.Count(`SELECT count(*) FROM audit_log WHERE role = 'COMMAND' AND operation = 'issueResetCode' AND object_kind = 'user' AND object_id <> 0`); n != 2 {
		t.Errorf("%d audit rows, want one for each account", n)
	}

	// Again: one account has a password, the other a valid code. Nothing is overwritten.
	if _, told, code = runTold("", "admin", "issue-codes", "--without-password", "--file", first); code != 1 || !strings.Contains(told, "exists") {
		t.Errorf("the same file: exit code %d: %s", code, told)
	}
	second := filepath.Join(folder, "more.csv")
	out, _, code = runTold("", "admin", "issue-codes", "--without-password", "--file", second)
	if _, err := os.Stat(second); code != 0 || !os.IsNotExist(err) || !strings.Contains(out, "no code was issued") {
		t.Errorf("exit code %d, %v: %s", code, err, out)
	}
	if _, told, code = runTold("", "admin", "issue-codes", "--without-password", "--replace", "--file", second); code != 0 {
		t.Errorf("exit code %d: %s", code, told)
	}
	if again := readCodes(t, second); len(again) != 1 || again[0][0] != rows[1][0] || again[0][1] == rows[1][1] {
		t.Errorf("%d codes replace the other one", len(again))
	}

	// By name, also for accounts with a password.
	third := filepath.Join(folder, "named.csv")
	names := registered.Username + "\n\n" + strings.ToUpper(admin.Username) + "\n" + registered.Username + "\n"
	if _, told, code = runTold(names, "admin", "issue-codes", "--usernames-file", "-", "--file", third); code != 0 || len(readCodes(t, third)) != 2 {
		t.Errorf("exit code %d: %s", code, told)
	}
	if n := db.Count(`SELECT count(*) FROM outbox WHERE type = 'reset_code.issued' AND actor_id IS NULL`); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

func TestIssueCodesRefusesWhatItCannotDo(t *testing.T) { //nolint:paralleltest // sets DATABASE_URL
	dsn := testkit.NewDatabase(t, schema.Migrate)
	t.Setenv("DATABASE_URL", dsn)
	user := testkit.NewFactory(t, dsn).Patient(testkit.PatientOptions{}).User
	file := filepath.Join(t.TempDir(), "codes.csv")
	for name, test := range map[string]struct {
		args []string
		told string
	}{
		"nobody":          {nil, "in one way"},
		"two ways":        {[]string{"--without-password", user.Username}, "in one way"},
		"replace names":   {[]string{"--replace", user.Username}, "--replace goes with"},
		"too short":       {[]string{"--valid-for", "1m", user.Username}, "5m to 720h"},
		"too long":        {[]string{"--valid-for", "721h", user.Username}, "5m to 720h"},
		"unknown":         {[]string{user.Username, "nobody"}, "username 2: no account has this username; no code was issued"},
		"missing file":    {[]string{"--usernames-file", filepath.Join(t.TempDir(), "missing")}, "reading the usernames"},
		"an empty list":   {[]string{"--usernames-file", "-"}, "contains no username"},
		"no such folder":  {[]string{user.Username, "--file", filepath.Join(t.TempDir(), "missing", "codes.csv")}, "creating the file"},
		"an existing one": {[]string{user.Username, "--file", "/dev/full"}, "exists"},
		"without a value": {[]string{user.Username, "--file"}, "flag needs an argument"},
	} {
		_, told, code := runTold("", append([]string{"admin", "issue-codes", "--file", file}, test.args...)...)
		if code != 1 || !strings.Contains(told, test.told) {
			t.Errorf("%s: exit code %d: %s", name, code, told)
		}
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("%s leaves a file behind", name)
		}
	}
}

func TestACodeThatCannotBeWrittenLeavesTheFileAsItWas(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "codes.csv")
	file := testkit.Value(createCodeFile(path))(t)
	testkit.Must(t, file.file.Close())
	readOnly := testkit.Value(os.Open(path))(t)
	file.file = readOnly
	if err := file.keep(codeFor("jane")); err == nil || file.written != 0 {
		t.Errorf("%d codes are written, %v", file.written, err)
	}
	testkit.Must(t, file.close())
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("a file without codes stays")
	}
}

func TestSetPasswordAndResetSecondFactor(t *testing.T) { //nolint:paralleltest // sets DATABASE_URL
	dsn := testkit.NewDatabase(t, rights.Migrate)
	t.Setenv("DATABASE_URL", dsn)
	db := testkit.NewFactory(t, dsn)
	user, disabled := db.Patient(testkit.PatientOptions{}).User, db.Patient(testkit.PatientOptions{}).User
	db.Exec(`UPDATE users SET active = false WHERE id = $1`, disabled.ID)
	db.Exec(`INSERT INTO totp_factors (user_id, secret, confirmed_at) VALUES ($1, 'x', now())`, user.ID)
	post := clinicAPI(t, dsn)
	for _, test := range []struct {
		args        []string
		stdin, told string
		code        int
	}{
		{[]string{"set-password"}, chosen, "takes one username", 1},
		{[]string{"set-password", "nobody"}, chosen, "no account has this username", 1},
		{[]string{"set-password", user.Username}, "password1", "too common", 1},
		{[]string{"set-password", disabled.Username}, chosen, "this account is disabled", 1},
		{[]string{"reset-second-factor", "nobody"}, "", "no account has this username", 1},
		{[]string{"reset-second-factor", disabled.Username}, "", "this account is disabled", 1},
		{[]string{"set-password", user.Username}, chosen + "\n", "set the password of " + user.Username, 0},
		{[]string{"reset-second-factor", user.Username}, "", "removed the second factor of " + user.Username, 0},
		{[]string{"reset-second-factor", user.Username}, "", "no second factor", 1},
	} {
		out, told, code := runTold(test.stdin, append([]string{"admin"}, test.args...)...)
		if code != test.code || !strings.Contains(out+told, test.told) || strings.Contains(out+told, chosen) {
			t.Errorf("%v: exit code %d: %s%s", test.args, code, out, told)
		}
	}
	if got := post("/api/auth/login/", fmt.Sprintf(`{"username": %q, "password": %q}`, user.Username, chosen)); got != http.StatusOK {
		t.Errorf("the login answered %d", got)
	}
	for event, want := range map[string]int{"password.reset": 1, "second_factor.reset": 1} {
		if n := db.Count(`SELECT count(*) FROM outbox WHERE type = $1 AND user_id = $2`, event, user.ID); n != want {
			t.Errorf("%d events %s, want %d", n, event, want)
		}
	}
}

func codeFor(username string) clinic.ResetCode {
	return clinic.ResetCode{User: clinic.User{Username: username}, Code: "ABCD", ExpiresAt: time.Now()}
}
