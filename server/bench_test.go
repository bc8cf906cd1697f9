package server_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

const (
	benchClients = 128 // and 64 connections: so many commits share a wait for the disk
	benchTurns   = 10  // each side's; they take turns, so that a busy machine slows both
)

// BenchmarkAudit measures what the audit costs reads over HTTP, against a
// Postgres that waits for its disk (TMPDIR names one that is a disk): requests
// per second with and without audit rows, and how many per cent are lost.
func BenchmarkAudit(b *testing.B) {
	postgres := testkit.StartPostgres(b)
	if err := postgres.CreateDatabase(b.Context(), "records", ""); err != nil {
		b.Fatal(err)
	}
	dsn := postgres.DSN("records")
	must(b, rights.Migrate(b.Context(), dsn))
	audited := newReplica(b, replica{database: dsn, keys: newKeys(b), pool: store.Options{MaxConns: 64}})
	unaudited := newReplica(b, replica{database: dsn, keys: newKeys(b), pool: store.Options{MaxConns: 64, Unaudited: true}})
	db := testkit.NewFactory(b, dsn)
	doctor := db.Doctor(testkit.DoctorOptions{})
	var first clinic.Record
	for range 50 {
		patient := db.Patient(testkit.PatientOptions{})
		db.Assignment(testkit.AssignmentOptions{Patient: patient, Doctor: doctor})
		for range 20 {
			first = db.Record(testkit.RecordOptions{Patient: patient})
		}
	}
	caller := db.LoggedIn(doctor.User)
	db.Exec("VACUUM ANALYZE")
	for name, path := range map[string]string{
		"get":  fmt.Sprintf("/api/health-records/%d/", first.ID),
		"list": "/api/health-records/",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var with, without time.Duration
			each := max(b.N/benchTurns, benchClients)
			for range benchTurns {
				without += unaudited.load(b, path, caller, each)
				with += audited.load(b, path, caller, each)
			}
			requests := float64(each * benchTurns)
			b.ReportMetric(requests/with.Seconds(), "audited/s")
			b.ReportMetric(requests/without.Seconds(), "unaudited/s")
			b.ReportMetric(100*(1-without.Seconds()/with.Seconds()), "cost-%")
		})
	}
	if n := db.Count(`SELECT count(*) FROM audit_log`); n == 0 {
		b.Error("nothing was audited")
	}
}

// load sends GET requests from several clients and says how long they took.
func (w *world) load(b *testing.B, path string, as clinic.Caller, requests int) time.Duration {
	b.Helper()
	token, err := w.parts.Tokens.Issue(as)
	must(b, err)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchClients}}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	began := time.Now()
	for i := range benchClients {
		group.Go(func() {
			for range requests*(i+1)/benchClients - requests*i/benchClients {
				request := w.request(call{method: get, path: path, token: token})
				response, err := client.Do(request)
				if err != nil {
					b.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK {
					b.Errorf("answered %d, %v", response.StatusCode, err)
					return
				}
			}
		})
	}
	group.Wait()
	return time.Since(began)
}
