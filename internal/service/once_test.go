package service

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// repeater calls once for a caller, over a database of the test's own.
type repeater struct {
	db      *store.DB
	factory *testkit.Factory
	caller  clinic.Caller
	runs    atomic.Int64
}

func newRepeater(t testing.TB) *repeater {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	db, err := store.Open(t.Context(), store.Options{URL: rights.URL(t, dsn, schema.PartServer), MaxConns: 8, AcquireTimeout: testkit.Patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	factory := testkit.NewFactory(t, dsn)
	return &repeater{db: db, factory: factory, caller: testkit.CallerOf(factory.Admin())}
}

func (r *repeater) do(t testing.TB, caller clinic.Caller, idem clinic.Idempotency, fail error) (answer made, err error) {
	t.Helper()
	err = r.db.Tx(t.Context(), &caller, func(h store.Handle) (err error) {
		var ran, repeated bool
		answer, repeated, err = once(t.Context(), h, idem, func() (made, error) {
			ran = true
			return made{ID: r.runs.Add(1), Created: true, PatientID: 1 << 53}, fail
		})
		if err == nil && repeated == ran {
			t.Errorf("it ran: %t, and is repeated: %t", ran, repeated)
		}
		return err
	})
	return answer, err
}

func key(operation, key, hash string) clinic.Idempotency {
	return clinic.Idempotency{Operation: operation, Key: key, Hash: []byte(hash)}
}

func TestOnceGivesTheFirstAnswerAgain(t *testing.T) {
	t.Parallel()
	r := newRepeater(t)
	first, err := r.do(t, r.caller, key("create", "k", "hash"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again, err := r.do(t, r.caller, key("create", "k", "hash"), nil)
		if diff := cmp.Diff(first, again); err != nil || diff != "" {
			t.Errorf("%v: %s", err, diff)
		}
	}
	if r.runs.Load() != 1 {
		t.Errorf("ran %d times", r.runs.Load())
	}
}

func TestOnceKeepsKeysApart(t *testing.T) {
	t.Parallel()
	r := newRepeater(t)
	other := testkit.CallerOf(r.factory.Admin())
	for i, c := range []struct {
		caller clinic.Caller
		idem   clinic.Idempotency
	}{
		{r.caller, key("create", "k", "hash")},
		{r.caller, key("create", "K", "hash")},
		{r.caller, key("assign", "k", "hash")},
		{other, key("create", "k", "another hash")},
		{r.caller, clinic.Idempotency{}},
		{r.caller, clinic.Idempotency{}},
	} {
		if answer, err := r.do(t, c.caller, c.idem, nil); err != nil || answer.ID != int64(i+1) {
			t.Errorf("%d: %+v, %v", i, answer, err)
		}
	}
}

func TestOnceRefusesAnotherRequest(t *testing.T) {
	t.Parallel()
	r := newRepeater(t)
	if _, err := r.do(t, r.caller, key("create", "k", "hash"), nil); err != nil {
		t.Fatal(err)
	}
	for _, hash := range []string{"another hash", ""} {
		_, err := r.do(t, r.caller, key("create", "k", hash), nil)
		if clinic.CodeOf(err) != clinic.CodeInvalid || clinic.ReasonOf(err) != "idempotency_key_reused" {
			t.Errorf("err = %v", err)
		}
	}
	if r.runs.Load() != 1 {
		t.Errorf("ran %d times", r.runs.Load())
	}
}

func TestOnceKeepsNoFailure(t *testing.T) {
	t.Parallel()
	r := newRepeater(t)
	failure := errors.New("failure")
	if _, err := r.do(t, r.caller, key("create", "k", "hash"), failure); !errors.Is(err, failure) {
		t.Fatalf("err = %v", err)
	}
	if answer, err := r.do(t, r.caller, key("create", "k", "hash"), nil); err != nil || answer.ID != 2 {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestOnceOfConcurrentTwinsRunsOnce(t *testing.T) {
	t.Parallel()
	r := newRepeater(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if answer, err := r.do(t, r.caller, key("create", "k", "hash"), nil); err != nil || answer.ID != 1 {
				t.Errorf("%+v, %v", answer, err)
			}
		})
	}
	group.Wait()
	if r.runs.Load() != 1 {
		t.Errorf("ran %d times", r.runs.Load())
	}
}

// A request waiting for one that fails runs in its place.
func TestOnceTwinOfAFailureRuns(t *testing.T) {
	t.Parallel()
	r := newRepeater(t)
	failure := errors.New("failure")
	claimed, finish := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		err := r.db.Tx(t.Context(), &r.caller, func(h store.Handle) error {
			_, _, err := once(t.Context(), h, key("create", "k", "hash"), func() (int, error) {
				close(claimed)
				<-finish
				return 0, failure
			})
			return err
		})
		if !errors.Is(err, failure) {
			t.Errorf("err = %v", err)
		}
	})
	<-claimed
	group.Go(func() {
		if answer, err := r.do(t, r.caller, key("create", "k", "hash"), nil); err != nil || answer.ID != 1 {
			t.Errorf("%+v, %v", answer, err)
		}
	})
	for r.factory.Count(`SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the second request does not wait")
		}
	}
	close(finish)
	group.Wait()
}
