package service

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// cachedPages is how many pages of each size the directory's cache keeps: the ones that
// people read. The bound keeps callers from filling the cache.
const cachedPages = 10

// DirectoryCache keeps pages of the doctor directory. It may lose everything at
// any moment and may fail: the directory then comes from Postgres.
type DirectoryCache interface {
	// Get returns the cached page under key, or a version to pass to Put and
	// false. Both are one answer so that a page read before a change is never
	// stored as if it were read after it.
	Get(ctx context.Context, key string) (page []byte, version string, ok bool)
	// Put stores the page unless the directory changed since version was read.
	Put(ctx context.Context, key, version string, page []byte)
	// Invalidate drops every page.
	Invalidate(ctx context.Context)
}

// Doctors are the use cases of the doctor directory.
type Doctors struct {
	db        *store.DB
	directory DirectoryCache
}

// NewDoctors returns the use cases; directory may be nil for no cache.
func NewDoctors(db *store.DB, directory DirectoryCache) *Doctors {
	return &Doctors{db: db, directory: directory}
}

// List lists the directory, ordered by id; for every role. It has only verified, active doctors, but
// administrators see the others too. Only they may ask for doctors whose new name waits.
// When the cache missed a change, a page may be as old as the lifetime of cached pages.
func (s *Doctors) List(ctx context.Context, caller clinic.Caller, filter clinic.DoctorFilter, page clinic.PageRequest) (clinic.Page[clinic.Doctor], error) {
	admin := caller.Role == clinic.RoleAdmin
	if filter.Renaming && !admin {
		return clinic.Page[clinic.Doctor]{}, clinic.Forbidden("only administrators see pending names")
	}
	if err := clinic.ValidateSearch(&filter.Search); err != nil {
		return clinic.Page[clinic.Doctor]{}, err
	}
	if s.directory == nil || admin || filter != (clinic.DoctorFilter{}) || page.Cursor.Keyset || page.Number > cachedPages {
		return s.db.As(caller).Doctors().List(ctx, filter, page)
	}
	return s.cached(ctx, caller, page)
}

// Get returns a doctor whom the caller sees in the directory.
func (s *Doctors) Get(ctx context.Context, caller clinic.Caller, id int64) (clinic.Doctor, error) {
	return s.db.As(caller).Doctors().Get(ctx, id)
}

func (s *Doctors) cached(ctx context.Context, caller clinic.Caller, request clinic.PageRequest) (clinic.Page[clinic.Doctor], error) {
	var page clinic.Page[clinic.Doctor]
	key := fmt.Sprintf("%d.%d", request.Size, request.Number)
	cached, version, ok := s.directory.Get(ctx, key)
	if ok && json.Unmarshal(cached, &page) == nil {
		if _, err := s.db.Identify(ctx, caller); err != nil { // for every role, but the account must be active
			return clinic.Page[clinic.Doctor]{}, err
		}
		return page, nil
	}
	page, err := s.db.As(caller).Doctors().List(ctx, clinic.DoctorFilter{}, request)
	if err != nil {
		return page, err
	}
	for i := range page.Items {
		page.Items[i].User.PhoneNumber = "" // no reader sees it, so it is not cached
	}
	encoded, err := json.Marshal(page)
	if err != nil {
		return page, fmt.Errorf("encoding a page of the directory: %w", clinic.Internal(err))
	}
	s.directory.Put(ctx, key, version, encoded)
	return page, nil
}

// directoryChanged drops the cached pages after the change was committed. It does so
// even when the request is over.
func directoryChanged(ctx context.Context, directory DirectoryCache) {
	if directory != nil {
		directory.Invalidate(context.WithoutCancel(ctx))
	}
}

// Verify records that the license was verified and the name approved, or removes
// the verification; administrators only. Where the doctor is not as the administrator saw them, it
// fails with CodeConflict and reason "doctor_changed".
func (s *Doctors) Verify(ctx context.Context, caller clinic.Caller, doctorID int64, v clinic.Verification) (clinic.Doctor, error) {
	if err := require(caller, "only administrators verify doctors", clinic.RoleAdmin); err != nil {
		return clinic.Doctor{}, err
	}
	if err := v.Validate(); err != nil {
		return clinic.Doctor{}, err
	}
	var doctor clinic.Doctor
	err := s.db.Tx(ctx, &caller, func(h store.Handle) error {
		err := verifyDoctor(ctx, h, doctorID, v)
		if err == nil {
			doctor, err = h.Doctors().Get(ctx, doctorID)
		}
		return err
	})
	if err != nil {
		return clinic.Doctor{}, fmt.Errorf("verifying a doctor: %w", err)
	}
	directoryChanged(ctx, s.directory)
	return doctor, nil
}

func verifyDoctor(ctx context.Context, h store.Handle, id int64, v clinic.Verification) error {
	doctor, err := h.Doctors().LockProfile(ctx, id)
	if err != nil {
		return err
	}
	if !v.Verified {
		return h.Doctors().SetVerified(ctx, id, false)
	}
	approved, err := v.Approves(doctor)
	if err != nil {
		return err
	}
	if doctor.PendingName != nil {
		if err := h.Doctors().DecideName(ctx, id, approved); err != nil {
			return err
		}
	}
	return h.Doctors().SetVerified(ctx, id, true)
}
