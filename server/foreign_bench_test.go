package server_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// BenchmarkForeignID measures how much longer the 404 for somebody else's id takes
// than the 404 for an id that does not exist. An attacker could measure this
// difference. docs/security.md has the figures. The requests alternate, and the
// benchmark compares the medians.
func BenchmarkForeignID(b *testing.B) {
	database := testkit.NewDatabase(b, rights.Migrate)
	w := newWorldOn(b, database)
	db := testkit.NewFactory(b, database)
	const missing = 1 << 40
	var record, assignment int64 // of somebody else
	doctor, reader := db.Doctor(testkit.DoctorOptions{}), db.Doctor(testkit.DoctorOptions{})
	for range 100 { // a doctor without assignments would be refused at once
		patient := db.Patient(testkit.PatientOptions{})
		db.Assignment(testkit.AssignmentOptions{Patient: patient, Doctor: reader})
		foreign := db.Patient(testkit.PatientOptions{})
		assignment = db.Assignment(testkit.AssignmentOptions{Patient: foreign, Doctor: doctor}).ID
		record = db.Record(testkit.RecordOptions{Patient: foreign}).ID
	}
	for range 1000 { // the difference must not tell how many there are
		db.Comment(testkit.CommentOptions{Record: clinic.Record{ID: record}, Doctor: doctor, Private: true})
	}
	db.Exec("VACUUM ANALYZE")
	for _, test := range []struct {
		name, method, path string
		id                 int64
		as                 clinic.User
		body               any
	}{
		{"getRecord", get, "/api/health-records/%d/", record, reader.User, nil},
		{"listComments", get, "/api/health-records/%d/comments/", record, reader.User, nil},
		{"addComment", post, "/api/health-records/%d/comments/", record, reader.User, map[string]any{"comment": "Looks fine."}},
		{"getAssignment", get, "/api/assignments/%d/", assignment, reader.User, nil},
	} {
		b.Run(test.name, func(b *testing.B) {
			token, err := w.parts.Tokens.Issue(db.LoggedIn(test.as))
			testkit.Must(b, err)
			client := &http.Client{}
			defer client.CloseIdleConnections()
			var took [2][]time.Duration
			for i := range 2 * b.N {
				side := (i + i/2) % 2
				id := []int64{missing, test.id}[side]
				began := time.Now()
				status, err := w.send(client, call{method: test.method, path: fmt.Sprintf(test.path, id), token: token, body: test.body})
				took[side] = append(took[side], time.Since(began))
				if err != nil || status != http.StatusNotFound {
					b.Fatalf("answered %d, %v", status, err)
				}
			}
			none, foreign := percentile(took[0], 0.5), percentile(took[1], 0.5)
			b.ReportMetric(float64(none.Microseconds()), "µs-missing")
			b.ReportMetric(float64((foreign-none).Nanoseconds())/1000, "µs-more")
			b.ReportMetric(float64(foreign)/float64(none), "ratio")
		})
	}
}
