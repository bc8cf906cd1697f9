package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// List lists doctors by id. For administrators, those who are not verified or not active are
// listed, too.
func (h Doctors) List(ctx context.Context, filter clinic.DoctorFilter, request clinic.PageRequest) (clinic.Page[clinic.Doctor], error) {
	pattern, unlisted := likePattern(filter.Search), h.seesUnlisted()
	page, err := readPage(listing[*dbsqlc.ListDoctorsRow, clinic.Doctor]{
		page: request,
		read: func(w window) ([]*dbsqlc.ListDoctorsRow, error) {
			return h.q.ListDoctors(ctx, h.db, dbsqlc.ListDoctorsParams{
				Unlisted: unlisted, Verified: filter.Verified, Renaming: filter.Renaming, Pattern: pattern, Back: w.Back, Beyond: w.ID, Most: w.Limit, Skip: w.Offset,
			})
		},
		item: func(r *dbsqlc.ListDoctorsRow) (clinic.Doctor, error) {
			return withPendingName(doctorOf(r.DoctorProfile, r.Account), r.PendingFirst, r.PendingLast), nil
		},
		total: func(r *dbsqlc.ListDoctorsRow) counted { return exactly(r.Total) },
		count: func() (counted, error) {
			rows, err := h.q.CountDoctors(ctx, h.db, dbsqlc.CountDoctorsParams{Unlisted: unlisted, Verified: filter.Verified, Renaming: filter.Renaming, Pattern: pattern})
			return exactly(rows), err
		},
		position: byID(func(d clinic.Doctor) int64 { return d.ID }),
	})
	if err != nil {
		return page, fmt.Errorf("listing doctors: %w", translate(err))
	}
	return page, nil
}

// List lists patients by id. search matches a part of the name or the username.
func (h Patients) List(ctx context.Context, search string, request clinic.PageRequest) (clinic.Page[clinic.Patient], error) {
	pattern := likePattern(search)
	page, err := readPage(listing[*dbsqlc.ListPatientsRow, clinic.Patient]{
		page: request,
		read: func(w window) ([]*dbsqlc.ListPatientsRow, error) {
			return h.q.ListPatients(ctx, h.auditing(clinic.Object{Kind: clinic.ObjectPatient}, w.shown()).db, dbsqlc.ListPatientsParams{
				Pattern: pattern, Back: w.Back, Beyond: w.ID, Most: w.Limit, Skip: w.Offset, CountUpTo: countUpTo,
			})
		},
		item: func(r *dbsqlc.ListPatientsRow) (clinic.Patient, error) {
			return patientOf(r.PatientProfile, r.Account), nil
		},
		total: func(r *dbsqlc.ListPatientsRow) counted { return upTo(r.Total) },
		count: func() (counted, error) {
			rows, err := h.q.CountPatients(ctx, h.db, dbsqlc.CountPatientsParams{Pattern: pattern, CountUpTo: countUpTo})
			return upTo(rows), err
		},
		position: byID(func(p clinic.Patient) int64 { return p.ID }),
	})
	if err != nil {
		return page, fmt.Errorf("listing patients: %w", translate(err))
	}
	return page, nil
}

// LockProfile is Lock for a doctor who may be inactive. It also keeps the license
// number and the names from changing, and returns the doctor.
func (h Doctors) LockProfile(ctx context.Context, id int64) (clinic.Doctor, error) {
	n, err := h.q.LockDoctorProfile(ctx, h.db, id)
	if err != nil {
		return clinic.Doctor{}, fmt.Errorf("locking a doctor: %w", translate(err))
	}
	if n == 0 {
		return clinic.Doctor{}, clinic.NotFound("doctor")
	}
	return h.Get(ctx, id)
}

func (h Doctors) seesUnlisted() bool { return h.Who.Role == clinic.RoleAdmin }

// Get returns a doctor whom the caller sees in the directory.
func (h Doctors) Get(ctx context.Context, id int64) (clinic.Doctor, error) {
	row, err := h.q.DoctorByID(ctx, h.db, dbsqlc.DoctorByIDParams{ID: id, Unlisted: h.seesUnlisted()})
	if err != nil {
		return clinic.Doctor{}, fmt.Errorf("reading a doctor: %w", orNotFound(err, "doctor"))
	}
	return withPendingName(doctorOf(row.DoctorProfile, row.Account), row.PendingFirst, row.PendingLast), nil
}

// SetVerified sets or clears the time of a locked doctor's verification.
// Clearing it drops the pending name. A change adds its event.
func (h Doctors) SetVerified(ctx context.Context, id int64, verified bool) error {
	if err := h.q.VerifyDoctor(ctx, h.db, dbsqlc.VerifyDoctorParams{ID: id, Verified: verified}); err != nil {
		return fmt.Errorf("verifying a doctor: %w", translate(err))
	}
	return nil
}

// DecideName makes a locked doctor's pending name their present name, or drops it.
func (h Doctors) DecideName(ctx context.Context, doctorID int64, approved bool) error {
	if _, err := h.q.DecideName(ctx, h.db, dbsqlc.DecideNameParams{DoctorID: doctorID, Approved: approved}); err != nil {
		return fmt.Errorf("deciding on a name: %w", translate(err))
	}
	return nil
}

// likePattern is the LIKE pattern of texts that contain search, which has no
// wildcards of its own; "" for an empty search.
func likePattern(search string) string {
	if search == "" {
		return ""
	}
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(search) + "%"
}
