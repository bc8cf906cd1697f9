package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// requests returns how many requests were answered with a class of status.
func (w *world) requests(class string) (count uint64) {
	w.t.Helper()
	families, err := w.metrics.Gather()
	testkit.Must(w.t, err)
	for _, family := range families {
		if family.GetName() != "healthrecords_http_request_duration_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "status" && label.GetValue() == class {
					count += metric.GetHistogram().GetSampleCount()
				}
			}
		}
	}
	return count
}

// inFlight returns how many requests are being served.
func (w *world) inFlight() (count float64) {
	w.t.Helper()
	families, err := w.metrics.Gather()
	testkit.Must(w.t, err)
	for _, family := range families {
		if family.GetName() == "healthrecords_http_requests_in_flight" {
			count = family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return count
}

func (w *world) wantNoFailure() {
	w.t.Helper()
	if n := w.requests("5xx"); n != 0 {
		w.t.Errorf("%d requests count as failed", n)
	}
	if log := w.log.String(); strings.Contains(log, `"level":"ERROR"`) || strings.Contains(log, `"status":503`) {
		w.t.Errorf("the log tells of a failure:\n%s", log)
	}
}

// TestAClientThatLeavesIsNoFailure lets a client close the connection while its request waits for a lock.
func TestAClientThatLeavesIsNoFailure(t *testing.T) {
	t.Parallel()
	database := testkit.NewDatabase(t, rights.Migrate)
	w := newWorldOn(t, database)
	p := w.patient("patient1")
	lock := lockUsers(t, database)
	ctx, leave := context.WithCancel(t.Context())
	request := w.request(call{method: get, path: "/api/auth/profile/", token: p.token}).WithContext(ctx)
	ended := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		ended <- err
	}()
	until(t, "the request waits", func() bool {
		var waits bool
		testkit.Must(t, lock.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass)").Scan(&waits))
		return waits
	})
	leave()
	if err := <-ended; err == nil {
		t.Error("the request was answered")
	}
	until(t, "the request is over", func() bool { return w.requests("499")+w.requests("5xx") > 0 })
	if n := w.requests("499"); n != 1 {
		t.Errorf("%d requests count as left", n)
	}
	w.wantNoFailure()
	testkit.Must(t, lock.Rollback(t.Context()))
}

// TestClientsThatLeaveAtAnyMomentAreNoFailures closes connections before, during and after the work on their requests.
func TestClientsThatLeaveAtAnyMomentAreNoFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.patient("patient1")
	calls := []call{
		{method: get, path: "/api/health-records/", token: p.token},
		{method: post, path: "/api/health-records/", token: p.token, body: visit()},
		{method: get, path: "/api/auth/doctors/", token: p.token},
		{method: post, path: "/api/auth/login/", body: map[string]any{"username": "patient1", "password": password}},
		{method: get, path: "/api/access-log/", token: p.token},
	}
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 100 {
				ctx, leave := context.WithTimeout(t.Context(), time.Duration(i*100)*time.Microsecond)
				response, err := http.DefaultClient.Do(w.request(calls[(i+worker)%len(calls)]).WithContext(ctx))
				if err == nil {
					_ = response.Body.Close()
				}
				leave()
			}
		})
	}
	group.Wait()
	until(t, "all are over", func() bool { return w.inFlight() == 0 })
	w.wantNoFailure()
}
