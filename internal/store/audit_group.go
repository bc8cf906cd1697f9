package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

const (
	// auditWriters is how many groups of audit rows are written at once. One would wait for the disk while nothing else does.
	auditWriters = 2
	// auditTimeout limits the writing of a group.
	auditTimeout = 10 * time.Second
)

// auditGroup writes the audit rows of concurrent reads together: while as many groups are being written as may be, the next one
// gathers. It has no goroutine of its own: the first of a group writes it.
type auditGroup struct {
	pool    *pgxpool.Pool
	writers chan struct{} // as many as are writing
	mutex   sync.Mutex
	next    *auditFlush // the group that gathers; nil: none
}

// auditFlush is one group.
type auditFlush struct {
	rows []dbsqlc.InsertAuditParams
	done chan struct{}
	err  error // once done
}

func newAuditGroup(pool *pgxpool.Pool) *auditGroup {
	return &auditGroup{pool: pool, writers: make(chan struct{}, auditWriters)}
}

// write returns once the row is committed. If it fails, the row may be committed all the same. A caller who leaves does not
// keep the row from being written.
func (g *auditGroup) write(ctx context.Context, row dbsqlc.InsertAuditParams) error {
	flush, first := g.join(row)
	if first {
		g.flush(context.WithoutCancel(ctx), flush)
	}
	select {
	case <-flush.done:
		return flush.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the audit row: %w", translate(ctx.Err()))
	}
}

// join adds the row to the group that gathers. first reports whether the caller has to write the group.
func (g *auditGroup) join(row dbsqlc.InsertAuditParams) (flush *auditFlush, first bool) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if first = g.next == nil; first {
		g.next = &auditFlush{done: make(chan struct{})}
	}
	g.next.rows = append(g.next.rows, row)
	return g.next, first
}

// flush writes the group when a writer is free. Until then, others join.
func (g *auditGroup) flush(ctx context.Context, flush *auditFlush) {
	defer close(flush.done)
	flush.err = clinic.Internal(errors.New("the writer of the audit rows panicked")) // unless it returns
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	select {
	case g.writers <- struct{}{}:
		defer func() { <-g.writers }()
	case <-ctx.Done(): // the insertion below fails
	}
	g.mutex.Lock()
	g.next = nil // nobody else replaces it: it is this group until now
	g.mutex.Unlock()
	err := flush.insert(ctx, g.pool)
	if err != nil {
		err = fmt.Errorf("writing audit rows: %w", translate(err))
	}
	flush.err = err
}

// insert writes a row alone without the arrays that several need.
func (f *auditFlush) insert(ctx context.Context, db dbsqlc.DBTX) error {
	if len(f.rows) == 1 {
		return dbsqlc.New().InsertAudit(ctx, db, f.rows[0])
	}
	var all dbsqlc.InsertAuditsParams
	for _, row := range f.rows {
		addAudit(&all, row)
	}
	return dbsqlc.New().InsertAudits(ctx, db, all)
}

func addAudit(r *dbsqlc.InsertAuditsParams, row dbsqlc.InsertAuditParams) {
	address := ""
	if row.Address != nil {
		address = row.Address.String()
	}
	r.UserIDs, r.Roles = append(r.UserIDs, orZero(row.UserID)), append(r.Roles, row.Role)
	r.Operations = append(r.Operations, row.Operation)
	r.ObjectKinds, r.ObjectIDs = append(r.ObjectKinds, row.ObjectKind), append(r.ObjectIDs, orZero(row.ObjectID))
	r.PatientIDs, r.AssignmentIDs = append(r.PatientIDs, arrayOf(row.PatientIDs)), append(r.AssignmentIDs, arrayOf(row.AssignmentIDs))
	records := "" // null
	if row.RecordIDs != nil {
		records = arrayOf(row.RecordIDs)
	}
	r.RecordIDs = append(r.RecordIDs, records)
	r.Reasons, r.Decisions = append(r.Reasons, row.Reason), append(r.Decisions, row.Decision)
	r.RequestIDs, r.Addresses = append(r.RequestIDs, row.RequestID), append(r.Addresses, address)
}

// arrayOf returns the text of an array: Postgres has no array of arrays of different lengths.
func arrayOf(ids []int64) string {
	text := []byte{'{'}
	for i, id := range ids {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, id, 10)
	}
	return string(append(text, '}'))
}
