package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const (
	// indexInterval is how often changed records are indexed. A search finds them before that.
	indexInterval = 250 * time.Millisecond
	// indexLimit is how many changes one transaction indexes, and reindexLimit how many records of the run over all records.
	indexLimit   = 100
	reindexLimit = 200
	indexTimeout = time.Minute
)

// SearchIndex is the use cases of the search index, as the worker uses them.
type SearchIndex interface {
	// IndexPending indexes up to limit changes and returns how many it took: 0 while another worker indexes.
	IndexPending(ctx context.Context, limit int) (int, error)
	// Reindex indexes up to limit records of the run over all records, and returns how many: 0 when it has ended.
	Reindex(ctx context.Context, limit int) (int, error)
	// State returns the state of the index.
	State(ctx context.Context) (clinic.SearchState, error)
}

// indexer keeps the search index. In any number of workers, only one indexes at a time.
type indexer struct {
	index   SearchIndex
	metrics *metrics
	log     *slog.Logger
}

// Start indexes until ctx ends.
func (i *indexer) Start(ctx context.Context) error {
	o := outage{log: i.log, what: "indexing records for the search"}
	every(ctx, indexInterval, &o, i.indexSome)
	return nil
}

// indexSome indexes what has changed. If little has, it goes on with the run over all records, with pauses: others
// write meanwhile.
func (i *indexer) indexSome(ctx context.Context) error {
	for ctx.Err() == nil {
		taken, err := i.once(ctx, i.index.IndexPending, indexLimit)
		if err != nil {
			return err
		}
		if taken < indexLimit {
			_, err = i.once(ctx, i.index.Reindex, reindexLimit)
			return err
		}
	}
	return nil
}

func (i *indexer) once(ctx context.Context, index func(context.Context, int) (int, error), limit int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	done, err := index(ctx, limit)
	i.metrics.indexed.Add(float64(done))
	return done, err
}
