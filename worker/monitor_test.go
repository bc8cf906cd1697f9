package worker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestMonitorMeasures(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.outbox.handle = func(context.Context, int64) error { return clinic.Unavailable(errors.New("away")) }
	f.publish(t, 1, 2, 3)
	if _, err := f.stream.Read(t.Context(), "a", 1, readBlock); err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(f.registry)
	if err != nil {
		t.Fatal(err)
	}
	loop := &monitor{outbox: f.outbox, stream: f.stream, chain: &fakeChain{oldest: time.Minute}, metrics: m, log: f.options.Log}
	if err := loop.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"healthrecords_outbox_open_events":                    7,
		"healthrecords_outbox_oldest_event_age_seconds":       90,
		"healthrecords_stream_waiting_entries":                2,
		"healthrecords_stream_pending_entries":                1,
		"healthrecords_stream_dead_entries":                   0,
		"healthrecords_audit_oldest_unsealed_row_age_seconds": 60,
	} {
		if got := value(t, f.registry, name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}

// A figure is absent while it is not measured: before the first measurement, and during an outage.
func TestNoGaugeShowsWhatCouldNotBeMeasured(t *testing.T) {
	t.Parallel()
	server := testkit.StartRedis(t)
	f := setupOn(t, server.URL(0))
	m, err := newMetrics(f.registry)
	if err != nil {
		t.Fatal(err)
	}
	chain := &fakeChain{}
	loop := &monitor{outbox: f.outbox, stream: f.stream, chain: chain, metrics: m, log: f.options.Log}
	shown := func() (names []string) {
		families, err := f.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.GetType().String() == "GAUGE" {
				names = append(names, strings.TrimPrefix(family.GetName(), "healthrecords_"))
			}
		}
		return names
	}
	audit, outbox := "audit_oldest_unsealed_row_age_seconds", []string{"outbox_oldest_event_age_seconds", "outbox_open_events"}
	stream := []string{"stream_dead_entries", "stream_pending_entries", "stream_waiting_entries"}
	away := clinic.Unavailable(errors.New("away"))
	for _, step := range []struct {
		name   string
		change func()
		want   []string
	}{
		{"nothing is away", func() {}, slices.Concat([]string{audit}, outbox, stream)},
		{"Postgres is away", func() { f.outbox.open, chain.err = away, away }, stream},
		{"only sealing cannot be measured", func() { f.outbox.open = nil }, slices.Concat(outbox, stream)},
		{"Redis is away", func() { chain.err = nil; server.Kill() }, slices.Concat([]string{audit}, outbox)},
	} {
		if step.name == "nothing is away" && len(shown()) > 0 {
			t.Errorf("before the first measurement there are %v", shown())
		}
		step.change()
		if err := loop.measure(t.Context()); (err == nil) != (step.name == "nothing is away") {
			t.Errorf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, shown()); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
}

// Each measurement ends even if a service does not answer.
func TestMeasurementsAreBounded(t *testing.T) {
	t.Parallel()
	f := setup(t)
	m, err := newMetrics(f.registry)
	if err != nil {
		t.Fatal(err)
	}
	chain := &fakeChain{}
	loop := &monitor{outbox: f.outbox, stream: f.stream, chain: chain, metrics: m, log: f.options.Log}
	if err := loop.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !f.outbox.bounded || !chain.bounded {
		t.Errorf("with a deadline: the outbox %t, the chain %t", f.outbox.bounded, chain.bounded)
	}
}

// Each call of a loop ends even if a service does not answer.
func TestCallsOfTheLoopsAreBounded(t *testing.T) {
	t.Parallel()
	f := setup(t)
	m, err := newMetrics(f.registry)
	if err != nil {
		t.Fatal(err)
	}
	chain := &fakeChain{}
	trimmed := false
	f.outbox.trimBounded = &trimmed
	for name, call := range map[string]struct {
		do      func(context.Context) error
		bounded *bool
	}{
		"sealing":  {(&sealer{chain: chain, metrics: m, log: f.options.Log}).seal, &chain.bounded},
		"months":   {(&months{chain: chain, log: f.options.Log}).prepare, &chain.bounded},
		"removing": {(&retention{cleanup: f.outbox, keep: time.Hour, metrics: m, log: f.options.Log}).remove, &trimmed},
		"trimming": {(&trimmer{cleanup: f.outbox, keep: time.Hour, log: f.options.Log}).trim, &trimmed},
	} {
		chain.bounded, trimmed = false, false
		if err := call.do(t.Context()); err != nil || !*call.bounded {
			t.Errorf("%s: with a deadline: %t, %v", name, *call.bounded, err)
		}
	}
}

// TestItIsLoggedThatSealingWaits expects a log line with the transaction that sealing waits for, and one when sealing resumes.
func TestItIsLoggedThatSealingWaits(t *testing.T) {
	t.Parallel()
	f := setup(t)
	m, err := newMetrics(f.registry)
	if err != nil {
		t.Fatal(err)
	}
	chain := &fakeChain{holder: "process 7, role r, database d"}
	loop := &monitor{outbox: f.outbox, stream: f.stream, chain: chain, metrics: m, log: f.options.Log}
	for _, step := range []struct {
		oldest       time.Duration
		waits, again int
	}{{time.Second, 0, 0}, {2 * time.Minute, 1, 0}, {3 * time.Minute, 1, 0}, {time.Second, 1, 1}, {time.Second, 1, 1}, {time.Hour, 2, 1}} {
		chain.oldest = step.oldest
		if err := loop.measure(t.Context()); err != nil {
			t.Fatal(err)
		}
		waits, again := strings.Count(f.log.String(), chain.holder), strings.Count(f.log.String(), "sealed again")
		if waits != step.waits || again != step.again {
			t.Errorf("at %s: logged %d times that sealing waits, and %d times that it resumes, want %d and %d", step.oldest, waits, again, step.waits, step.again)
		}
	}
}

// fakeChain records how the monitor uses the chain. The tests of package auditlog use the real one.
type fakeChain struct {
	Sealer
	oldest  time.Duration
	err     error
	holder  string
	bounded bool // the last call had a deadline
}

func (f *fakeChain) OldestTransaction(context.Context) (string, error) { return f.holder, nil }

func (f *fakeChain) Seal(ctx context.Context) (int, error) {
	_, f.bounded = ctx.Deadline()
	return 0, f.err
}

func (f *fakeChain) PrepareMonths(ctx context.Context) error {
	_, f.bounded = ctx.Deadline()
	return f.err
}

func (f *fakeChain) Unsealed(ctx context.Context) (time.Duration, error) {
	_, f.bounded = ctx.Deadline()
	return f.oldest, f.err
}
