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
	benchRequests = 1280
	benchRounds   = 20 // fewer rounds are not compared with the limit
)

// auditCosts is the limit that make security sets for the cost of the audit log, in percent of the requests per second
// without it, by the number of connections. With many, many commits share a wait for the disk.
// docs/adr/0008-audit.md has the figures behind it.
var auditCosts = map[int]float64{64: 8, 16: 25}

// The sides of BenchmarkAudit.
const (
	without  = iota
	unsynced // commits do not wait for the disk
	with
	sides
)

// BenchmarkAudit measures what the audit costs reads over HTTP, against a
// Postgres that waits for its disk (TMPDIR names one that is a disk): requests
// per second with and without audit rows, and the loss in percent, all of it and the part that is no wait for the disk. In each
// round, all sides answer the same requests, and take turns in going first. Other work on the machine slows all; the median of
// the rounds ignores what slows only one. There are two clients for each connection of 64, and one for each of 16.
func BenchmarkAudit(b *testing.B) {
	postgres := testkit.StartPostgres(b)
	if err := postgres.CreateDatabase(b.Context(), "records", ""); err != nil {
		b.Fatal(err)
	}
	dsn := postgres.DSN("records")
	testkit.Must(b, rights.Migrate(b.Context(), dsn))
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
	paths := map[string]string{"get": fmt.Sprintf("/api/health-records/%d/", first.ID), "list": "/api/health-records/"}
	for conns, clients := range map[int]int{64: 128, 16: 16} {
		apis := [sides]api{
			without:  newAPI(b, dsn, store.OpenUnaudited, store.Options{MaxConns: int32(conns)}),
			unsynced: newAPI(b, dsn, store.Open, store.Options{MaxConns: int32(conns), Settings: map[string]string{"synchronous_commit": "off"}}),
			with:     newAPI(b, dsn, store.Open, store.Options{MaxConns: int32(conns)}),
		}
		for name, path := range paths {
			b.Run(fmt.Sprintf("%s/%d", name, conns), func(b *testing.B) {
				var took [sides][]float64 // seconds of a round
				var each [sides][]float64 // milliseconds of a request
				for round := range b.N {
					for turn := range sides {
						side := (round + turn) % sides
						began := time.Now()
						each[side] = append(each[side], apis[side].load(b, path, caller, clients)...)
						took[side] = append(took[side], time.Since(began).Seconds())
					}
				}
				if b.N >= benchRounds {
					report(b, name, conns, took, each)
				}
			})
		}
	}
	if n := db.Count(`SELECT count(*) FROM audit_log`); n == 0 {
		b.Error("nothing was audited")
	}
}

// report compares the rounds, and fails where the audit costs more than its bound.
func report(b *testing.B, name string, conns int, took, each [sides][]float64) {
	b.Helper()
	costs := func(side int) (percent []float64) {
		for round := range took[side] {
			percent = append(percent, 100*(1-took[without][round]/took[side][round]))
		}
		return percent
	}
	cost := costs(with)
	b.Logf("audit of a %4s, %d connections: cost %.1f %%, half of %d rounds %.1f to %.1f %% (bound %.0f %%), %.1f %% without waiting for the disk; %.0f requests/s, %.0f without it; p99 %.1f ms, %.1f without it",
		name, conns, quantile(cost, 0.5), len(cost), quantile(cost, 0.25), quantile(cost, 0.75), auditCosts[conns], quantile(costs(unsynced), 0.5),
		benchRequests/quantile(took[with], 0.5), benchRequests/quantile(took[without], 0.5), quantile(each[with], 0.99), quantile(each[without], 0.99))
	if quantile(cost, 0.5) > auditCosts[conns] {
		b.Errorf("the audit of a %s costs more than its bound", name)
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
func newAPI(b *testing.B, dsn string, open func(context.Context, store.Options) (*store.DB, error), opts store.Options) api {
	b.Helper()
	opts.URL, opts.AcquireTimeout = rights.URL(b, dsn, schema.PartServer), time.Minute
	db := testkit.Value(open(b.Context(), opts))(b)
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

// load sends benchRequests GET requests from several clients and returns how many milliseconds each took.
func (a api) load(b *testing.B, path string, as clinic.Caller, clients int) []float64 {
	b.Helper()
	bearer, err := a.tokens.Issue(as)
	testkit.Must(b, err)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	took := make([]float64, benchRequests)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			for n := i; n < benchRequests; n += clients {
				began := time.Now()
				if err := get(b.Context(), client, a.url+path, bearer); err != nil {
					b.Error(err)
					return
				}
				took[n] = float64(time.Since(began).Microseconds()) / 1000
			}
		})
	}
	group.Wait()
	return took
}

func get(ctx context.Context, client *http.Client, url, bearer string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err = io.Copy(io.Discard, response.Body); err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %d", response.StatusCode)
	}
	return err
}
