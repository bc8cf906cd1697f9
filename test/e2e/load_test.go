//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	writers       = 4
	doctorsOfLoad = 2
	// pause limits the load, because the test checks that nothing is lost, not how much load is possible.
	pause = 50 * time.Millisecond
	// catchUp is how long the notifications may take after the last record was answered.
	catchUp = 2 * time.Minute
)

// load writes and reads the records of one patient with two doctors until it is stopped.
type load struct {
	cluster cluster
	patient account
	stop    context.CancelFunc
	done    sync.WaitGroup
	numbers atomic.Int64

	mu         sync.Mutex
	ids        []int64       // of the records with the answer 201
	refused    int           // requests with the answer 503 and Retry-After, which is right during an outage
	unanswered []string      // requests without an answer
	wrong      []string      // requests with another answer
	longest    time.Duration // from the first try of a record to its answer
}

// startLoad registers users for the load, whose usernames begin with the name.
func (c cluster) startLoad(t *testing.T, name string) *load {
	t.Helper()
	l := &load{cluster: c, patient: c.mustRegister(t, name+"-patient", "PATIENT")}
	for i := range doctorsOfLoad {
		doctor := c.mustRegister(t, fmt.Sprintf("%s-doctor%d", name, i), "DOCTOR")
		if err := c.assign(t.Context(), doctor, doctor, l.patient); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	l.stop = cancel
	for range writers {
		l.done.Go(func() { l.work(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		l.done.Wait()
	})
	return l
}

func (l *load) work(ctx context.Context) {
	for ctx.Err() == nil {
		number := l.numbers.Add(1)
		began := time.Now()
		content := l.insist(ctx, http.StatusCreated, recordCall(l.patient, fmt.Sprintf("Visit %d", number), fmt.Sprintf("visit-%d", number)))
		var record struct{ ID int64 }
		if err := json.Unmarshal(content, &record); err != nil {
			return // insist has recorded the reason
		}
		l.note(func() {
			l.ids = append(l.ids, record.ID)
			l.longest = max(l.longest, time.Since(began))
		})
		l.insist(ctx, http.StatusOK, call{method: http.MethodGet, path: fmt.Sprintf("/health-records/%d/", record.ID), token: l.patient.token})
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// insist repeats a request until the status is as expected, and returns the answer. It finishes even if the load is stopped.
func (l *load) insist(ctx context.Context, want int, request call) []byte {
	ctx = context.WithoutCancel(ctx)
	for deadline := time.Now().Add(catchUp); time.Now().Before(deadline); <-time.After(pause) {
		a, err := l.cluster.send(ctx, request)
		switch {
		case err != nil:
			l.note(func() { l.unanswered = append(l.unanswered, err.Error()) })
		case a.status == want:
			return a.body
		case a.refusal():
			l.note(func() { l.refused++ })
		default:
			l.note(func() {
				l.wrong = append(l.wrong, fmt.Sprintf("%s %s: %d %s", request.method, request.path, a.status, a.body))
			})
		}
	}
	l.note(func() { l.wrong = append(l.wrong, fmt.Sprintf("%s: given up after %s", request.path, catchUp)) })
	return nil
}

func (l *load) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// awaitMore waits until a number of further records are answered.
func (l *load) awaitMore(t *testing.T, more int, limit time.Duration) {
	t.Helper()
	before := l.count()
	await(t, limit, func(context.Context) error {
		if now := l.count(); now < before+more {
			return fmt.Errorf("%d records are answered, want %d", now, before+more)
		}
		return nil
	})
}

func (l *load) count() (n int) {
	l.note(func() { n = len(l.ids) })
	return n
}

// finish ends the load. Each answered record must exist once, and each doctor must have one notification about it.
func (l *load) finish(t *testing.T) {
	t.Helper()
	l.stop()
	l.done.Wait()
	t.Logf("%d records, the slowest answered after %s; %d requests refused with 503, %d not answered",
		len(l.ids), l.longest.Round(time.Millisecond), l.refused, len(l.unanswered))
	for _, failure := range l.wrong {
		t.Error(failure)
	}
	began := time.Now()
	await(t, catchUp, func(ctx context.Context) error {
		open, err := l.cluster.count(ctx, `SELECT count(*) FROM outbox WHERE finished_at IS NULL`)
		if err == nil && open > 0 {
			err = fmt.Errorf("%d events are not finished", open)
		}
		return err
	})
	t.Logf("all events were finished %s later", time.Since(began).Round(time.Millisecond))
	where := fmt.Sprintf(" WHERE patient_id = %d", l.patient.profileID)
	acknowledged := strings.Join(strings.Fields(strings.Trim(fmt.Sprint(l.ids), "[]")), ",")
	told := where + ` AND type = 'NEW_RECORD'`
	l.cluster.expectCount(t, "records", `SELECT count(*) FROM health_records`+where, len(l.ids))
	l.cluster.expectCount(t, "acknowledged records", `SELECT count(*) FROM health_records`+where+` AND id = ANY('{`+acknowledged+`}')`, len(l.ids))
	l.cluster.expectCount(t, "notifications", `SELECT count(*) FROM notifications`+told, doctorsOfLoad*len(l.ids))
	l.cluster.expectCount(t, "different notifications", `SELECT count(DISTINCT (record_id, recipient_id)) FROM notifications`+told, doctorsOfLoad*len(l.ids))
}

// expectNoFailure fails if a request did not succeed at its first attempt.
func (l *load) expectNoFailure(t *testing.T) {
	t.Helper()
	if l.refused > 0 || len(l.unanswered) > 0 {
		t.Errorf("%d requests were refused, %d not answered: %v", l.refused, len(l.unanswered), l.unanswered)
	}
}
