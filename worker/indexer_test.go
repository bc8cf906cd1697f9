package worker

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// index is a search index in memory.
type index struct {
	mutex          sync.Mutex
	pending, older int
	fails          error
}

func (i *index) take(from *int, limit int) (int, error) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.fails != nil {
		return 0, i.fails
	}
	taken := min(*from, limit)
	*from -= taken
	return taken, nil
}

func (i *index) IndexPending(_ context.Context, limit int) (int, error) {
	return i.take(&i.pending, limit)
}

func (i *index) Reindex(_ context.Context, limit int) (int, error) { return i.take(&i.older, limit) }

func (i *index) State(context.Context) (clinic.SearchState, error) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return clinic.SearchState{Pending: i.pending, Next: 3, Last: 4}, i.fails
}

func (i *index) left() int {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.pending + i.older
}

func TestIndexerIndexesChangesAndThenAllRecords(t *testing.T) {
	t.Parallel()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	all := &index{pending: 3*indexLimit + 1, older: 2*reindexLimit + 1, fails: clinic.Unavailable(nil)}
	stop := start(t, &indexer{index: all, metrics: m, log: slog.New(slog.DiscardHandler)})
	all.mutex.Lock()
	all.fails = nil // the outage ends
	all.mutex.Unlock()
	eventually(t, "all records are indexed", func() bool { return all.left() == 0 })
	stop()
	if n := testutil.ToFloat64(m.indexed); n != 3*indexLimit+2*reindexLimit+2 {
		t.Errorf("%v records are counted", n)
	}
	measures := &monitor{search: all, metrics: m}
	if err := measures.measureSearch(t.Context()); err != nil || testutil.ToFloat64(m.reindexProgress) != 0.75 || testutil.ToFloat64(m.unindexed) != 0 {
		t.Errorf("the index is measured wrong: %v", err)
	}
}
