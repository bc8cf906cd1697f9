package store

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// errOutOfTime means that JSON cannot express the row's time.
var errOutOfTime = errors.New("the year is beyond 9999 or before the first")

// unreadable reports whether a statement failed because of a row's content. Such a row was
// edited: no program of the platform writes one.
func unreadable(err error) bool {
	var scan pgx.ScanArgError
	return errors.As(err, &scan) || errors.Is(err, errOutOfTime)
}

// Checkpoints returns up to most checkpoints after the one with the number. Where the digests
// of a checkpoint cannot be read, it returns digests that agree with no statement.
func (h AuditChain) Checkpoints(ctx context.Context, after int64, most int) ([]clinic.AuditCheckpoint, error) {
	rows, err := h.q.Checkpoints(ctx, h.db, dbsqlc.CheckpointsParams{Beyond: after, Most: int32(most)}) // #nosec G115 -- a batch size
	switch {
	case unreadable(err) && most > 1:
		return h.Checkpoints(ctx, after, 1)
	case unreadable(err):
		found, err := h.CheckpointStatements(ctx, after, 1)
		for i := range found {
			found[i].RowIDs, found[i].Digests = []int64{0}, []byte{0}
		}
		return found, err
	case err != nil:
		return nil, fmt.Errorf("reading checkpoints: %w", translate(err))
	}
	return checkpointsOf(rows), nil
}

// CheckpointStatements is Checkpoints without the digests.
func (h AuditChain) CheckpointStatements(ctx context.Context, after int64, most int) ([]clinic.AuditCheckpoint, error) {
	rows, err := h.q.CheckpointStatements(ctx, h.db, dbsqlc.CheckpointStatementsParams{Beyond: after, Most: int32(most)}) // #nosec G115 -- a batch size
	if err != nil {
		return nil, fmt.Errorf("reading the statements of checkpoints: %w", translate(err))
	}
	found := make([]clinic.AuditCheckpoint, 0, len(rows))
	for _, r := range rows {
		found = append(found, clinic.AuditCheckpoint{Number: r.Number, LastID: r.LastID, Statement: r.Statement, Signature: r.Signature})
	}
	return found, nil
}

// DropCheckpoints returns the checkpoints that retention made.
func (h AuditChain) DropCheckpoints(ctx context.Context) ([]clinic.AuditCheckpoint, error) {
	rows, err := h.q.DropCheckpoints(ctx, h.db)
	if err != nil {
		return nil, fmt.Errorf("reading retention's checkpoints: %w", translate(err))
	}
	return checkpointsOf(rows), nil
}

func checkpointsOf(rows []*dbsqlc.AuditCheckpoint) []clinic.AuditCheckpoint {
	checkpoints := make([]clinic.AuditCheckpoint, 0, len(rows))
	for _, r := range rows {
		checkpoints = append(checkpoints, clinic.AuditCheckpoint{
			Number: r.Number, LastID: r.LastID, Statement: r.Statement, Signature: r.Signature, RowIDs: r.RowIDs, Digests: r.Digests,
		})
	}
	return checkpoints
}

// Rows returns the rows from first up to upTo by id, no more than most.
// A row that cannot be read has only its ID and Raw.
func (h AuditChain) Rows(ctx context.Context, first, upTo int64, most int) ([]clinic.AuditRow, error) {
	found, err := h.readableRows(ctx, first, upTo, most)
	if unreadable(err) {
		found, err = h.rowByRow(ctx, first, upTo, most)
	}
	if err != nil {
		return nil, fmt.Errorf("reading audit rows: %w", translate(err))
	}
	return found, nil
}

func (h AuditChain) readableRows(ctx context.Context, first, upTo int64, most int) ([]clinic.AuditRow, error) {
	rows, err := h.q.AuditRows(ctx, h.db, dbsqlc.AuditRowsParams{First: first, UpTo: upTo, Most: int32(most)}) // #nosec G115 -- a batch size
	if err != nil {
		return nil, err
	}
	found := make([]clinic.AuditRow, 0, len(rows))
	for _, r := range rows {
		if year := r.At.Year(); year < 0 || year > 9999 {
			return nil, errOutOfTime
		}
		found = append(found, auditRowOf(dbsqlc.AuditLog(*r)))
	}
	return found, nil
}

// rowByRow reads each row alone. Where several rows have one id, all of them are returned
// as raw text.
func (h AuditChain) rowByRow(ctx context.Context, first, upTo int64, most int) ([]clinic.AuditRow, error) {
	raw, err := h.q.RawAuditRows(ctx, h.db, dbsqlc.RawAuditRowsParams{First: first, UpTo: upTo, Most: int32(most)}) // #nosec G115 -- a batch size
	if err != nil {
		return nil, err
	}
	found := make([]clinic.AuditRow, 0, len(raw))
	for _, r := range raw {
		rows, err := h.readableRows(ctx, r.ID, r.ID, math.MaxInt32)
		switch {
		case err == nil && len(rows) == 1:
			found = append(found, rows[0])
		case err == nil || unreadable(err):
			found = append(found, clinic.AuditRow{ID: r.ID, Raw: r.Raw})
		default:
			return nil, err
		}
	}
	return found, nil
}

func auditRowOf(r dbsqlc.AuditLog) clinic.AuditRow {
	row := clinic.AuditRow{
		ID: r.ID, At: r.At, UserID: orZero(r.UserID), Role: clinic.Role(r.Role), Operation: r.Operation,
		Object:   clinic.Object{Kind: clinic.ObjectKind(r.ObjectKind), ID: orZero(r.ObjectID)},
		Patients: r.PatientIDs, Assignments: r.AssignmentIDs, Records: r.RecordIDs,
		Reason: clinic.AccessReason(r.Reason), Decision: r.Decision, RequestID: r.RequestID,
	}
	if r.Address != nil {
		row.Address = r.Address.String()
	}
	return row
}
