package store

import (
	"context"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// IndexPending indexes changed records, no more than most, the oldest change first. It returns how many changes it took, which
// is 0 while another program indexes.
func (h SearchIndex) IndexPending(ctx context.Context, most int, language clinic.Language) (int, error) {
	n, err := h.q.IndexPendingRecords(ctx, h.db, dbsqlc.IndexPendingRecordsParams{Most: int32(most), DefaultLanguage: string(language)}) // #nosec G115 -- a batch size
	if err != nil {
		return 0, fmt.Errorf("indexing changed records: %w", translate(err))
	}
	return int(n), nil
}

// Reindex indexes the next records of the run over all records. It returns how many, which is 0 when the run has ended, or
// while another program indexes.
func (h SearchIndex) Reindex(ctx context.Context, most int, language clinic.Language) (int, error) {
	n, err := h.q.ReindexRecords(ctx, h.db, dbsqlc.ReindexRecordsParams{Most: int32(most), DefaultLanguage: string(language)}) // #nosec G115 -- a batch size
	if err != nil {
		return 0, fmt.Errorf("indexing records: %w", translate(err))
	}
	return int(n), nil
}

// Restart lets the run over all records begin again. Only the owner of the schema may.
func (h SearchIndex) Restart(ctx context.Context) error {
	if err := h.q.StartReindex(ctx, h.db); err != nil {
		return fmt.Errorf("restarting the run over all records: %w", translate(err))
	}
	return nil
}

// State returns the state of the index.
func (h SearchIndex) State(ctx context.Context) (clinic.SearchState, error) {
	row, err := h.q.SearchState(ctx, h.db)
	if err != nil {
		return clinic.SearchState{}, fmt.Errorf("reading the state of the search: %w", translate(err))
	}
	return clinic.SearchState{
		Pending: int(row.Pending), Oldest: time.Duration(row.OldestSeconds * float64(time.Second)),
		Next: row.NextID, Last: row.LastID, Indexed: row.Indexed, Finished: row.Finished, Filled: row.Filled,
	}, nil
}
