package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/token"
	"github.com/healthrecords/healthrecords/server"
)

// The ids of a scene. Objects that requests create have smaller ones.
const (
	firstOfScene   = 1_000_000
	sceneAdmin     = firstOfScene + 1
	scenePatient   = firstOfScene + 101 // the profile, of the user with the next number
	sceneDoctor    = firstOfScene + 201 // the profile, of the user with the next number
	sceneAssigning = firstOfScene + 301
	sceneRecord    = firstOfScene + 401
	sceneNotice    = firstOfScene + 501
	sceneSession   = firstOfScene + 601 // a session of the doctor that they do not use
	sceneComment   = firstOfScene + 701
	sceneCalling   = 1000 // the difference between a user's id and the id of the session that they use
)

// none means no body; code is replaced with the current code of the doctor's second factor.
type (
	none struct{}
	code struct{}
)

// scene is a database with one patient, the doctor who is assigned to them, and
// their objects. It can be reset any number of times, with the same ids.
type scene struct {
	cast       *cast
	contract   *contract
	handler    http.Handler
	db         *pgx.Conn            // the owner's
	operations map[string]operation // by id
	matrix     map[string]row
	leaks      *regexp.Regexp
	raced      int64
	hash       string // of password
	secret     string // of the doctor's second factor, which is not confirmed
	sealed     []byte
	refresh    string
	dump       string // SQL for every row of the database
}

func newScene(t *testing.T) *scene {
	t.Helper()
	database := testkit.NewDatabase(t, rights.Migrate)
	w := newWorldOn(t, database)
	parts := w.parts
	parts.DB = rights.OpenAs(t, database, schema.PartServer, store.Options{Tracer: gates{}, MaxConns: 6})
	parts.Throttle, parts.Directory = nil, nil // the scene's people try more often than the throttle allows
	parts.Log = slog.New(slog.DiscardHandler)
	parts.SessionsPerUser = 3 // the doctor has two
	raced, err := service.NewAPI(parts)
	testkit.Must(t, err)
	s := &scene{contract: w.contract, matrix: matrix(), leaks: leaks(), operations: map[string]operation{}}
	for _, o := range documented(w.contract) {
		s.operations[o.id] = o
	}
	s.db, err = pgx.Connect(t.Context(), database)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = s.db.Close(context.WithoutCancel(t.Context())) })
	s.handler, err = server.New(server.Options{Service: raced, Verifier: w.verifier, Log: parts.Log})
	testkit.Must(t, err)
	s.hash, err = parts.Passwords.Hash(t.Context(), password)
	testkit.Must(t, err)
	enrolment, sealed, err := parts.TOTP.Enroll(clinic.User{ID: sceneDoctor + 1, Username: "doctor"})
	testkit.Must(t, err)
	s.secret, s.sealed = enrolment.Secret, sealed
	refresh, _ := token.NewRefresh()
	s.refresh = refresh
	s.cast = &cast{world: w, refresh: refresh, own: map[string]map[thing]int64{"patient": {
		record: sceneRecord, assigning: sceneAssigning, notice: sceneNotice, patientID: scenePatient, doctorID: sceneDoctor,
		user: sceneDoctor + 1, session: sceneSession, remark: sceneComment,
	}}}
	// What waits for the search index stays from scene to scene: nothing refers to it.
	testkit.Must(t, s.db.QueryRow(t.Context(), `SELECT string_agg(format('SELECT %L, to_jsonb(t) FROM %I t', relname, relname), ' UNION ALL ')
		FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
			AND relname NOT IN ('goose_db_version', 'record_counts', 'notification_counts', 'assignment_counts', 'search_pending')`).Scan(&s.dump))
	s.dump += sumsOfCounts
	s.prepare(t)
	return s
}

// sumsOfCounts are what each count adds up to, in however many rows.
const sumsOfCounts = `
	UNION ALL SELECT 'record_counts', to_jsonb(c) FROM (SELECT patient_id, record_type, sum(records) AS all FROM record_counts GROUP BY 1, 2) AS c WHERE c.all <> 0
	UNION ALL SELECT 'notification_counts', to_jsonb(c) FROM (SELECT recipient_id, read, sum(notifications) AS all FROM notification_counts GROUP BY 1, 2) AS c WHERE c.all <> 0
	UNION ALL SELECT 'assignment_counts', to_jsonb(c) FROM (SELECT doctor_id, sum(open_ended) AS all FROM assignment_counts GROUP BY 1) AS c WHERE c.all <> 0`

// prepare creates a function in the database that empties it and creates the
// scene.
func (s *scene) prepare(t *testing.T) {
	t.Helper()
	statements := []string{`DELETE FROM legal_holds`, `DELETE FROM erasures`, `DELETE FROM doctor_comments`, `DELETE FROM health_records`, `DELETE FROM users`, `DELETE FROM declarations`, `DELETE FROM outbox`, `DELETE FROM audit_log`}
	insert := func(table, rows string, args ...any) {
		statements = append(statements, fmt.Sprintf(`INSERT INTO `+table+` OVERRIDING SYSTEM VALUE VALUES `+rows, args...))
	}
	insert(`users (id, username, role, password_hash)`, `(%d, 'admin', 'ADMIN', '-'), (%d, 'patient', 'PATIENT', '-'), (%d, 'doctor', 'DOCTOR', '%s')`,
		sceneAdmin, scenePatient+1, sceneDoctor+1, s.hash)
	insert(`patient_profiles (id, user_id)`, `(%d, %d)`, scenePatient, scenePatient+1)
	insert(`doctor_profiles (id, user_id, specialization, license_number, verified_at)`, `(%d, %d, 'Surgery', 'LICENSE', now())`, sceneDoctor, sceneDoctor+1)
	insert(`assignments (id, patient_id, doctor_id, source, starts_at)`, `(%d, %d, %d, 'rest', now() - interval '1 hour')`, sceneAssigning, scenePatient, sceneDoctor)
	insert(`health_records (id, patient_id, created_by, record_type, title, visit_date)`, `(%d, %d, %d, 'CHECKUP', 'Title', now())`,
		sceneRecord, scenePatient, scenePatient+1)
	insert(`doctor_comments (id, record_id, doctor_id, comment)`, `(%d, %d, %d, 'Well.')`, sceneComment, sceneRecord, sceneDoctor)
	insert(`notifications (id, recipient_id, event_id, type, patient_id, record_id)`, `(%d, %d, 1, 'NEW_RECORD', %d, %d)`,
		sceneNotice, sceneDoctor+1, scenePatient, sceneRecord)
	insert(`sessions (id, user_id, expires_at)`, `(%d, %d, now() + interval '1 day'), (%d, %d, now() + interval '1 day'),
		(%d, %d, now() + interval '1 day'), (%d, %d, now() + interval '1 day')`,
		sceneAdmin+sceneCalling, sceneAdmin, scenePatient+1+sceneCalling, scenePatient+1, sceneDoctor+1+sceneCalling, sceneDoctor+1, sceneSession, sceneDoctor+1)
	insert(`refresh_tokens (session_id, token_hash, expires_at)`, `(%d, '\x%x', now() + interval '1 day')`, sceneSession, token.HashRefresh(s.refresh))
	insert(`totp_factors (user_id, secret)`, `(%d, '\x%x')`, sceneDoctor+1, s.sealed)
	_, err := s.db.Exec(t.Context(), `CREATE FUNCTION pg_temp.begin() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN `+strings.Join(statements, ";\n")+`; END $f$`)
	testkit.Must(t, err)
}

// begin creates the scene of two writes.
func (s *scene) begin(t *testing.T, p pair) {
	t.Helper()
	for _, statement := range []string{`SELECT pg_temp.begin()`, p.writes[0].before, p.writes[1].before} {
		if statement != "" {
			_, err := s.db.Exec(t.Context(), statement)
			testkit.Must(t, err)
		}
	}
}

// token returns a token of one of the scene's people.
func (s *scene) token(t *testing.T, as string) string {
	t.Helper()
	callers := map[string]clinic.Caller{
		"administrator": {UserID: sceneAdmin, Role: clinic.RoleAdmin}, "patient": {UserID: scenePatient + 1, Role: clinic.RolePatient},
		"assigned doctor": {UserID: sceneDoctor + 1, Role: clinic.RoleDoctor},
	}
	caller, somebody := callers[as]
	if !somebody {
		return ""
	}
	caller.SessionID = caller.UserID + sceneCalling
	access, err := s.cast.parts.Tokens.Issue(caller)
	testkit.Must(t, err)
	return access
}

// state returns every row of the database, without the parts that differ between any
// two runs and without the audit rows of refusals. It also returns the decisions of
// all audit rows by their requests.
func (s *scene) state(t *testing.T) (text string, decisions map[string]string) {
	t.Helper()
	decisions = map[string]string{}
	rows, err := s.db.Query(t.Context(), s.dump)
	testkit.Must(t, err)
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var table string
		var encoded []byte
		testkit.Must(t, rows.Scan(&table, &encoded))
		row := map[string]any{}
		testkit.Must(t, json.NewDecoder(bytes.NewReader(encoded)).Decode(&row))
		if table == "audit_log" {
			decisions[dig[string](t, row, "request_id")] += dig[string](t, row, "decision")
			if row["decision"] != clinic.DecisionAllowed {
				continue
			}
		}
		lines = append(lines, table+" "+settled(t, row))
	}
	testkit.Must(t, rows.Err())
	slices.Sort(lines)
	return strings.Join(lines, "\n"), decisions
}

// settled returns a row in which all new ids are equal. All past times are also equal,
// and so are all future times and all random values.
func settled(t *testing.T, row map[string]any) string {
	t.Helper()
	for name, value := range row {
		switch v := value.(type) {
		case float64:
			switch {
			case name == "answer": // of an idempotency key
				row[name] = "kept"
			case name == "failures": // of codes: a right one that arrives too late counts, too
				delete(row, name)
			case strings.HasSuffix(name, "id") && v < firstOfScene || name == "last_step" && v > 0:
				row[name] = "new"
			}
		case []any:
			for i := range v {
				if id, ok := v[i].(float64); ok && id < firstOfScene {
					v[i] = "new"
				}
			}
		case string:
			row[name] = settledText(v)
		case map[string]any: // the value stored under an idempotency key
			row[name] = "kept"
		}
	}
	encoded, err := json.Marshal(row)
	testkit.Must(t, err)
	return string(encoded)
}

var random = regexp.MustCompile(`^\\x|^\$argon2id\$|^DOC\d+`)

func settledText(text string) string {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		if at.After(time.Now()) {
			return "future"
		}
		return "past"
	}
	if random.MatchString(text) {
		return "random"
	}
	return text
}
