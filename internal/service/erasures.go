package service

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Erasures are the use cases that remove all data of a patient, and those of legal holds, which prevent that. They are for
// administrators, and for commands: the role of the caller is then clinic.ActorCommand, and the database user owns the schema.
type Erasures struct{ db *store.DB }

// NewErasures returns the use cases.
func NewErasures(db *store.DB) *Erasures { return &Erasures{db: db} }

// Command returns the caller of a command. Its request counts as one of somebody whom no administrator is.
func Command(operation string) clinic.Caller {
	return clinic.Caller{Role: clinic.ActorCommand, Request: clinic.Request{Operation: operation}}
}

// PlaceHold places a legal hold on a patient, or gives it another reason. If their data was erased, it fails with CodeConflict
// and reason "erased".
func (s *Erasures) PlaceHold(ctx context.Context, caller clinic.Caller, patientID int64, reason string) (hold clinic.LegalHold, err error) {
	err = s.change(ctx, caller, patientID, func(h store.Handle) error {
		if err := clinic.ValidateReason(&reason); err != nil {
			return err
		}
		if err := h.Erasures().Lock(ctx, patientID); err != nil {
			return err
		}
		hold, err = h.Erasures().PlaceHold(ctx, patientID, reason)
		return err
	})
	if err != nil {
		return clinic.LegalHold{}, fmt.Errorf("placing a legal hold: %w", err)
	}
	return hold, nil
}

// LiftHold lifts the legal hold on a patient. If there is none, it fails with the same CodeNotFound as for a patient who does
// not exist.
func (s *Erasures) LiftHold(ctx context.Context, caller clinic.Caller, patientID int64) error {
	err := s.change(ctx, caller, patientID, func(h store.Handle) error {
		if err := lockIfThere(ctx, h, patientID, "legal hold"); err != nil && clinic.ReasonOf(err) != "erased" {
			return err
		}
		return h.Erasures().LiftHold(ctx, patientID)
	})
	if err != nil {
		return fmt.Errorf("lifting a legal hold: %w", err)
	}
	return nil
}

// Hold returns the legal hold on a patient.
func (s *Erasures) Hold(ctx context.Context, caller clinic.Caller, patientID int64) (clinic.LegalHold, error) {
	if err := s.admit(ctx, caller, patientID); err != nil {
		return clinic.LegalHold{}, err
	}
	return s.reads(caller).Hold(ctx, patientID)
}

// Username returns the username of a patient, for a command that asks for it.
func (s *Erasures) Username(ctx context.Context, patientID int64) (string, error) {
	return s.db.System().Erasures().Username(ctx, patientID)
}

// Request requests the erasure of all data of a patient, and notifies the other administrators: one of them has to confirm
// it. It fails with CodeConflict and reason "legal_hold", "erasure_requested" if somebody has requested it, or "erased".
func (s *Erasures) Request(ctx context.Context, caller clinic.Caller, patientID int64, reason string) (erasure clinic.Erasure, err error) {
	err = s.change(ctx, caller, patientID, func(h store.Handle) error {
		if err := clinic.ValidateReason(&reason); err != nil {
			return err
		}
		if err := h.Erasures().Lock(ctx, patientID); err != nil {
			return err
		}
		if _, err := h.Erasures().Hold(ctx, patientID); clinic.CodeOf(err) != clinic.CodeNotFound {
			if err == nil {
				err = clinic.Held()
			}
			return err
		}
		if err := h.Erasures().Request(ctx, patientID, reason); err != nil {
			return err
		}
		erasure, err = h.Erasures().Get(ctx, patientID)
		return err
	})
	if err != nil {
		return clinic.Erasure{}, fmt.Errorf("requesting an erasure: %w", err)
	}
	return erasure, nil
}

// Withdraw withdraws the request to erase a patient's data. If there is none, it fails with CodeNotFound; if it was carried
// out, with CodeConflict and reason "erased".
func (s *Erasures) Withdraw(ctx context.Context, caller clinic.Caller, patientID int64) error {
	err := s.change(ctx, caller, patientID, func(h store.Handle) error {
		if err := lockIfThere(ctx, h, patientID, "erasure"); err != nil {
			return err
		}
		return h.Erasures().Withdraw(ctx, patientID)
	})
	if err != nil {
		return fmt.Errorf("withdrawing an erasure: %w", err)
	}
	return nil
}

// Confirm carries out the erasure that somebody else requested, and returns its certificate. It fails with CodeNotFound if
// nobody requested it, and with CodeConflict and reason "own_request", "legal_hold" or "erased". One that Postgres rolls back
// because of concurrent transactions is tried once more.
func (s *Erasures) Confirm(ctx context.Context, caller clinic.Caller, patientID int64) (certificate clinic.Erasure, err error) {
	erase := func() error {
		return s.change(ctx, caller, patientID, func(h store.Handle) error {
			if err := h.Erasures().Erase(ctx, patientID); err != nil {
				return err
			}
			certificate, err = h.Erasures().Get(ctx, patientID)
			return err
		})
	}
	if err = erase(); store.RolledBack(err) {
		err = erase()
	}
	if err != nil {
		return clinic.Erasure{}, fmt.Errorf("confirming an erasure: %w", err)
	}
	return certificate, nil
}

// Get returns the erasure of a patient's data: the request or, once it was carried out, its certificate.
func (s *Erasures) Get(ctx context.Context, caller clinic.Caller, patientID int64) (clinic.Erasure, error) {
	if err := s.admit(ctx, caller, patientID); err != nil {
		return clinic.Erasure{}, err
	}
	return s.reads(caller).Get(ctx, patientID)
}

// List lists all erasures, the newest request first.
func (s *Erasures) List(ctx context.Context, caller clinic.Caller, page clinic.PageRequest) (clinic.Page[clinic.Erasure], error) {
	if err := s.admit(ctx, caller, 0); err != nil {
		return clinic.Page[clinic.Erasure]{}, err
	}
	return s.reads(caller).List(ctx, page)
}

// change runs a change about a patient, with its audit row.
func (s *Erasures) change(ctx context.Context, caller clinic.Caller, patientID int64, fn func(store.Handle) error) error {
	if err := s.admit(ctx, caller, patientID); err != nil {
		return err
	}
	return s.db.Audited(ctx, caller, clinic.Object{Kind: clinic.ObjectPatient, ID: patientID}, fn)
}

func (s *Erasures) admit(ctx context.Context, caller clinic.Caller, patientID int64) error {
	refusal := require(caller, "only administrators hold and erase patients' data", clinic.RoleAdmin, clinic.ActorCommand)
	return admit(ctx, s.db, caller, clinic.Object{Kind: clinic.ObjectPatient, ID: patientID}, refusal)
}

// reads returns the statements for a single read. A command's has no audit row: it reads ids and numbers.
func (s *Erasures) reads(caller clinic.Caller) store.Erasures {
	if caller.Role == clinic.ActorCommand {
		return s.db.System().Erasures()
	}
	return s.db.As(caller).Erasures()
}

// lockIfThere is Lock for the removal of what a patient may have. A patient who does not exist does not have it.
func lockIfThere(ctx context.Context, h store.Handle, patientID int64, what string) error {
	err := h.Erasures().Lock(ctx, patientID)
	if clinic.CodeOf(err) == clinic.CodeNotFound {
		return clinic.NotFound(what)
	}
	return err
}
