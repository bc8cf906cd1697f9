package app

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/token"
)

// TestEraseCommands requests one erasure by a command, and confirms another one. The audit log verifies afterwards.
func TestEraseCommands(t *testing.T) { //nolint:paralleltest // sets variables
	dsn, dir := testkit.NewDatabase(t, rights.Migrate), t.TempDir()
	t.Setenv("DATABASE_URL", dsn)
	t.Setenv("AUDIT_KEYS_DIR", dir)
	testkit.Value(token.GenerateKey(dir))(t)
	f := testkit.NewFactory(t, dsn)
	admin := testkit.CallerOf(f.Admin())
	erasures := service.NewErasures(rights.Open(t, store.Options{URL: dsn}))
	patients := []clinic.Patient{f.Patient(testkit.PatientOptions{}), f.Patient(testkit.PatientOptions{})}
	for _, p := range patients {
		f.Record(testkit.RecordOptions{Patient: p, Title: "Secret title"})
		f.Exec(`INSERT INTO audit_log (user_id, role, operation, object_kind, patient_ids, reason, decision)
			VALUES ($1, 'PATIENT', 'getRecord', 'record', ARRAY[$2::bigint], 'own', 'allowed')`, p.User.ID, p.ID)
	}
	ids := []string{strconv.FormatInt(patients[0].ID, 10), strconv.FormatInt(patients[1].ID, 10)}
	testkit.Value(erasures.Request(t.Context(), admin, patients[1].ID, "asked for it"))(t)
	keys := testkit.Value(token.LoadKeys(dir))(t)
	sealThree(t, f, keys)

	for _, test := range []struct {
		name, stdin string
		args        []string
		want        int
		says        string
	}{
		{"no patient", "", []string{"erase", "--reason", "asked for it"}, 1, "takes the id of one patient"},
		{"a name", "", []string{"erase", "jane", "--reason", "asked for it"}, 1, "PATIENT_ID must be the id"},
		{"neither of the two", "", []string{"erase", ids[0]}, 1, "give either --reason"},
		{"both", "", []string{"erase", ids[0], "--reason", "asked for it", "--confirm"}, 1, "give either --reason"},
		{"a patient who does not exist", "", []string{"erase", "99999", "--reason", "asked for it"}, 1, "no such patient"},
		{"the username of another patient", patients[1].User.Username + "\n", []string{"erase", ids[0], "--reason", "asked for it"}, 1, "not the username"},
		{"nothing to confirm", "", []string{"erase", ids[0], "--confirm", "--yes"}, 1, "no such erasure"},
		{"a request", strings.ToUpper(patients[0].User.Username) + "\n", []string{"erase", ids[0], "--reason", "asked for it"}, 0, "an administrator has to confirm it"},
		{"a second request", "", []string{"erase", ids[0], "--reason", "asked for it", "--yes"}, 1, "requested before"},
		{"its own request", "", []string{"erase", ids[0], "--confirm", "--yes"}, 1, "you requested this erasure"},
		{"what an administrator requested", patients[1].User.Username, []string{"erase", ids[1], "--confirm"}, 0, `"records":1`},
		{"it is erased", "", []string{"erase", ids[1], "--confirm", "--yes"}, 1, "was erased"},
		{"no certificate", "", []string{"certificate", "99999"}, 1, "no such erasure"},
		{"a request as a certificate", "", []string{"certificate", ids[0]}, 0, `"state":"requested"`},
		{"too many arguments", "", []string{"certificate", ids[0], "--all"}, 1, "no arguments"},
	} {
		out, told, code := runTold(test.stdin, append([]string{"patients"}, test.args...)...)
		if code != test.want || !strings.Contains(out+told, test.says) {
			t.Errorf("%s: exit code %d, %s%s", test.name, code, out, told)
		}
		if strings.Contains(out+told, patients[0].User.Username) || strings.Contains(out+told, patients[1].User.Username) {
			t.Errorf("%s: the output names the patient: %s%s", test.name, out, told)
		}
	}
	testkit.Value(erasures.Confirm(t.Context(), admin, patients[0].ID))(t)

	var certificates []map[string]any
	out, _, code := runTold("", "patients", "certificate", "--all")
	for line := range strings.Lines(out) {
		var certificate map[string]any
		testkit.Must(t, json.Unmarshal([]byte(line), &certificate))
		certificates = append(certificates, certificate)
	}
	if code != 0 || len(certificates) != 2 || certificates[0]["patient_id"] != float64(patients[0].ID) || certificates[0]["requested_by"] != nil ||
		certificates[0]["confirmed_by"] != float64(admin.UserID) || certificates[1]["confirmed_by"] != nil || certificates[1]["erased_at"] == nil {
		t.Errorf("exit code %d: the certificates are %s", code, out)
	}
	sealRows(t, f, keys, f.Count(`SELECT max(id) FROM audit_log`))
	if out, told, code := runTold("", "audit", "verify"); code != 0 {
		t.Errorf("the audit log does not verify: exit code %d, %s%s", code, out, told)
	}
	if n := f.Count(`SELECT count(*) FROM audit_log WHERE role = 'COMMAND' AND decision = 'allowed' AND reason = 'role' AND user_id IS NULL
		AND (operation, patient_ids) IN (('requestErasure', ARRAY[$1::bigint]), ('confirmErasure', ARRAY[$2::bigint]))`, patients[0].ID, patients[1].ID); n != 2 {
		t.Errorf("%d audit rows of the commands", n)
	}
	if n := f.Count(`SELECT count(*) FROM outbox WHERE type = 'erasure.requested'`); n != 2 {
		t.Errorf("%d events", n)
	}
}
