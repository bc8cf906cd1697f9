package store_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
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

const (
	benchClients  = 128 // with 64 connections, so that many commits share a wait for the disk
	benchRequests = 1280
	benchRounds   = 20 // fewer rounds are not compared with the limit
)

// auditCosts is the limit that make security sets for the cost of the audit log, in percent of the requests per second
// without it. docs/adr/0008-audit.md has the figures behind it.
var auditCosts = map[string]float64{"get": 8, "list": 8}

// BenchmarkAudit measures what the audit costs reads over HTTP, against a
// Postgres that waits for its disk (TMPDIR names one that is a disk): requests
// per second with and without audit rows, and the loss in percent. In each round, both sides answer the same requests,
// and take turns in going first. Other work on the machine slows both sides; the median of the rounds ignores what
// slows only one.
func BenchmarkAudit(b *testing.B) {
	postgres := testkit.StartPostgres(b)
	if err := postgres.CreateDatabase(b.Context(), "records", ""); err != nil {
		b.Fatal(err)
	}
	dsn := postgres.DSN("records")
	testkit.Must(b, rights.Migrate(b.Context(), dsn))
	audited, unaudited := newAPI(b, dsn, store.Open), newAPI(b, dsn, store.OpenUnaudited)
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
			var with, without, cost []float64 // one value per round; the cost is in percent of without
			for round := range b.N {
				var took [2]float64
				for turn := range took {
					side := (round + turn) % 2
					took[side] = []api{unaudited, audited}[side].load(b, path, caller, benchRequests).Seconds()
				}
				without, with = append(without, took[0]), append(with, took[1])
				cost = append(cost, 100*(1-took[0]/took[1]))
			}
			if b.N < benchRounds {
				return
			}
			median := quantile(cost, 0.5)
			b.Logf("audit of a %4s: cost %.1f %%, half of %d rounds %.1f to %.1f %% (bound %.0f %%); %.0f requests/s, %.0f without it", name,
				median, b.N, quantile(cost, 0.25), quantile(cost, 0.75), auditCosts[name], benchRequests/quantile(with, 0.5), benchRequests/quantile(without, 0.5))
			if median > auditCosts[name] {
				b.Errorf("the audit of a %s costs more than its bound", name)
			}
		})
	}
	if n := db.Count(`SELECT count(*) FROM audit_log`); n == 0 {
		b.Error("nothing was audited")
	}
}

// quantile returns the value below which a share of the values is.
func quantile(values []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// api is a server over HTTP, with the rights that it has in production.
type api struct {
	url    string
	tokens *token.Signer
}

// newAPI starts a server on the owner's database, which it opens by the given function.
func newAPI(b *testing.B, dsn string, open func(context.Context, store.Options) (*store.DB, error)) api {
	b.Helper()
	db := testkit.Value(open(b.Context(), store.Options{
		URL: rights.URL(b, dsn, schema.PartServer), MaxConns: 64, AcquireTimeout: time.Minute,
	}))(b)
	b.Cleanup(db.Close)
	dir := b.TempDir()
	testkit.Value(token.GenerateKey(dir))(b)
	access := token.AccessOptions{Keys: testkit.Value(token.LoadKeys(dir))(b), Issuer: "healthrecords", Audience: "healthrecords"}
	tokens := testkit.Value(token.NewSigner(access))(b)
	useCases := testkit.Value(service.NewAPI(service.APIOptions{
		DB: db, Tokens: tokens, Passwords: testkit.Value(token.NewHasher(token.HasherOptions{MemoryKiB: 64, Passes: 1}))(b),
	}))(b)
	handler := testkit.Value(server.New(server.Options{
		Service: useCases, Verifier: testkit.Value(token.NewVerifier(access))(b), Log: slog.New(slog.DiscardHandler), Version: "test",
	}))(b)
	listening := httptest.NewServer(handler)
	b.Cleanup(listening.Close)
	return api{url: listening.URL, tokens: tokens}
}

// load sends GET requests from several clients and returns how long they took.
func (a api) load(b *testing.B, path string, as clinic.Caller, requests int) time.Duration {
	b.Helper()
	bearer, err := a.tokens.Issue(as)
	testkit.Must(b, err)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchClients}}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	began := time.Now()
	for i := range benchClients {
		group.Go(func() {
			for range requests*(i+1)/benchClients - requests*i/benchClients {
				request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, a.url+path, http.NoBody)
				if err != nil {
					b.Error(err)
					return
				}
				request.Header.Set("Authorization", "Bearer "+bearer)
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
