package auditlog

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Verify checks every checkpoint with its rows, all as they are when it begins, and
// returns the number of unsealed rows. progress is called after each checkpoint.
func Verify(ctx context.Context, db *store.DB, v *audit.Verifier, progress func()) (unsealed int64, err error) {
	err = db.Snapshot(ctx, func(h store.Handle) error {
		if v.Drops, err = drops(ctx, h); err != nil {
			return err
		}
		v.Prepare()
		err := each(ctx, h, whole(), func(checkpoint audit.Checkpoint, rows []clinic.AuditRow) error {
			v.Checkpoint(checkpoint, rows)
			if s, err := checkpoint.Parse(); err == nil && s.UpTo != checkpoint.LastID && checkpoint.Signed() {
				v.Report(audit.Fault{Checkpoint: checkpoint.Number, What: "the last id in the column beside its statement was changed"})
			}
			progress()
			return nil
		})
		if err != nil {
			return err
		}
		v.End()
		unsealed, err = h.AuditChain().CountRows(ctx, v.UpTo())
		return err
	})
	return unsealed, err
}
