package store

import (
	"context"
	"fmt"
	"math"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// List lists the audit log, newest first. It begins below the row with the id before;
// 0 begins at the newest. The reading itself gets an audit row, which names
// the patient of the filter.
func (h AuditLog) List(ctx context.Context, filter clinic.AuditFilter, before int64, size int) (clinic.Log[clinic.AuditEvent], error) {
	since, until := bounds(filter.From, filter.To)
	w := windowOf(clinic.PageRequest{Size: size})
	about := ofPatient(clinic.ObjectAudit, filter.PatientID)
	rows, err := h.q.ListAudit(ctx, h.auditing(about, w.shown()).db, dbsqlc.ListAuditParams{
		BeyondID: orHighest(before), Since: since, Until: until, UserID: filter.UserID, PatientID: orNil(filter.PatientID),
		Operation: filter.Operation, Decision: filter.Decision, Most: w.Limit,
	})
	if err != nil {
		return clinic.Log[clinic.AuditEvent]{}, fmt.Errorf("listing the audit log: %w", translate(err))
	}
	return logOf(rows, w.shown(), func(r *dbsqlc.ListAuditRow) (clinic.AuditEvent, int64) {
		event := clinic.AuditEvent{AuditRow: auditRowOf(dbsqlc.AuditLog(r.AuditEntry))}
		event.User = personOf(event.UserID, r.Username, clinic.Name{First: r.FirstName, Last: r.LastName}, r.LicenseNumber)
		return event, event.ID
	}), nil
}

// ListAccesses lists who saw or changed the calling patient's data, or was refused
// it, newest first, like AuditLog.
func (h AuditLog) ListAccesses(ctx context.Context, before int64, size int) (clinic.Log[clinic.Access], error) {
	w := windowOf(clinic.PageRequest{Size: size})
	rows, err := h.q.ListAccessLog(ctx, h.auditing(clinic.Object{Kind: clinic.ObjectAccessLog}, w.shown()).db, dbsqlc.ListAccessLogParams{
		Caller: h.Who.UserID, BeyondID: orHighest(before), Most: w.Limit,
	})
	if err != nil {
		return clinic.Log[clinic.Access]{}, fmt.Errorf("listing the access log: %w", translate(err))
	}
	return logOf(rows, w.shown(), accessOf), nil
}

func accessOf(r *dbsqlc.ListAccessLogRow) (clinic.Access, int64) {
	access := clinic.Access{
		ID: r.ID, At: r.At, Role: clinic.Role(r.Role), Operation: r.Operation, Decision: r.Decision, Reason: clinic.AccessReason(r.Reason),
		Object:       clinic.Object{Kind: clinic.ObjectKind(r.ObjectKind), ID: r.ObjectID},
		AssignmentID: r.AssignmentID, Purpose: r.Purpose, RequestedBy: clinic.RequesterOf(clinic.Role(r.Role), r.ControllersRequest),
	}
	if access.Reason == clinic.ReasonBreakGlass && r.Source != string(clinic.SourceBreakGlass) {
		access.Reason = clinic.ReasonAssignment // the emergency was another patient's of the same page
	}
	access.User = personOf(orZero(r.UserID), r.Username, clinic.Name{First: r.FirstName, Last: r.LastName}, r.LicenseNumber)
	return access, r.ID
}

// logOf is a page of up to shown rows.
func logOf[R, T any](rows []R, shown int32, item func(R) (T, int64)) clinic.Log[T] {
	log := clinic.Log[T]{Items: make([]T, 0, len(rows))}
	var last int64
	for i, row := range rows {
		if i == int(shown) {
			log.Next = last
			break
		}
		one, id := item(row)
		log.Items, last = append(log.Items, one), id
	}
	return log
}

func orHighest(id int64) int64 {
	if id == 0 {
		return math.MaxInt64
	}
	return id
}
