// Package crash_test kills the platform's processes in the middle of its work.
package crash_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	posts   = 2000
	clients = 8
	// catchUp is how long the notifications may take once the last record is answered.
	catchUp = time.Minute
)

// The test kills processes with SIGKILL while records are posted. Redis restarts without data. Afterwards, each record whose
// request succeeded exists once, and each doctor of the patient was notified of it once.
func TestKilledProcessesLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	p := startPlatform(t)
	patients := p.people(t)

	ids := make([]int64, posts)
	var answered, repeats atomic.Int64
	group, ctx := errgroup.WithContext(t.Context())
	numbers := make(chan int)
	group.Go(func() error {
		defer close(numbers)
		for number := range posts {
			select {
			case numbers <- number:
			case <-ctx.Done():
			}
		}
		return nil
	})
	for range clients {
		group.Go(func() error {
			for number := range numbers {
				id, repeated, err := p.createRecord(ctx, patients[number%len(patients)], number)
				if err != nil {
					return fmt.Errorf("posting record %d: %w", number, err)
				}
				ids[number] = id
				answered.Add(1)
				repeats.Add(int64(repeated))
			}
			return nil
		})
	}
	group.Go(func() error { return p.killAll(ctx, &answered) })
	began := time.Now()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d records in %s, %d requests had to be repeated", posts, time.Since(began).Round(time.Millisecond), repeats.Load())
	if repeats.Load() == 0 {
		t.Error("no request met a killed server: nothing was tested")
	}
	began = time.Now()
	p.awaitNotifications(t)
	t.Logf("all events were finished %s after the last answer, %d were published more than once",
		time.Since(began).Round(time.Millisecond), p.db.Count(`SELECT count(*) FROM outbox WHERE attempts > 1`))
	p.expectEachOnce(t, patients, ids)
}

// people registers three patients, with one, two and three doctors.
func (p platform) people(t *testing.T) (patients []account) {
	t.Helper()
	var doctors []account
	for i := range 3 {
		doctors = append(doctors, p.register(t, fmt.Sprintf("doctor%d", i), "DOCTOR"))
		patient := p.register(t, fmt.Sprintf("patient%d", i), "PATIENT")
		for _, doctor := range doctors {
			p.assign(t, doctor, patient)
		}
		patients = append(patients, patient)
	}
	return patients
}

// killAll kills each part twice, distributed over the posts.
func (p platform) killAll(ctx context.Context, answered *atomic.Int64) error {
	restartRedis := func(ctx context.Context) error {
		p.redis.Kill()
		return p.redis.Start(ctx)
	}
	for i, crash := range []func(context.Context) error{
		p.worker.Crash, restartRedis, p.server.Crash, restartRedis, p.worker.Crash, p.server.Crash,
	} {
		if err := await(ctx, func() bool { return answered.Load() >= int64(posts/8*(i+1)) }); err != nil {
			return err
		}
		if err := crash(ctx); err != nil {
			return fmt.Errorf("killing and starting again (%d): %w", i, err)
		}
	}
	return nil
}

func (p platform) awaitNotifications(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), catchUp)
	defer cancel()
	open := func() int { return p.db.Count(`SELECT count(*) FROM outbox WHERE finished_at IS NULL`) }
	if err := await(ctx, func() bool { return open() == 0 }); err != nil {
		t.Errorf("%d events are still open after %s", open(), catchUp)
	}
}

// await returns once condition holds, or ctx ends.
func await(ctx context.Context, condition func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (p platform) expectEachOnce(t *testing.T, patients []account, ids []int64) {
	t.Helper()
	if got := p.db.Count(`SELECT count(*) FROM health_records`); got != posts {
		t.Errorf("there are %d records, want %d", got, posts)
	}
	for number, id := range ids {
		patient := patients[number%len(patients)]
		if got := p.db.Count(`SELECT count(*) FROM health_records WHERE id = $1 AND title = $2 AND patient_id = $3`,
			id, titleOf(number), patient.PatientID); got != 1 {
			t.Errorf("record %d with the id %d exists %d times", number, id, got)
		}
	}
	// The notified (record, doctor) pairs must equal the expected ones.
	const told = `SELECT record_id, recipient_id FROM notifications WHERE type = 'NEW_RECORD'`
	const due = `SELECT r.id, d.user_id FROM health_records r
		JOIN assignments a ON a.patient_id = r.patient_id JOIN doctor_profiles d ON d.id = a.doctor_id`
	for what, sql := range map[string]string{
		"missing": `SELECT count(*) FROM (` + due + ` EXCEPT ALL ` + told + `) x`,
		"surplus": `SELECT count(*) FROM (` + told + ` EXCEPT ALL ` + due + `) x`,
	} {
		if got := p.db.Count(sql); got != 0 {
			t.Errorf("%d %s notifications of a record", got, what)
		}
	}
	if got := p.db.Count(`SELECT count(*) FROM notifications WHERE type = 'PATIENT_ASSIGNED'`); got != 2*(1+2+3) {
		t.Errorf("%d notifications of an assignment, want one for doctor and patient each", got)
	}
	if got := p.db.Count(`SELECT count(*) FROM outbox WHERE outcome IS DISTINCT FROM 'done'`); got != 0 {
		t.Errorf("%d events did not end well", got)
	}
}
