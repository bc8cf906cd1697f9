package store

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// List lists accounts by id, for an administrator.
func (h Users) List(ctx context.Context, filter clinic.UserFilter, request clinic.PageRequest) (clinic.Page[clinic.ListedUser], error) {
	list := func(h handle, w window) ([]*dbsqlc.ListUsersRow, error) {
		return h.q.ListUsers(ctx, h.db, dbsqlc.ListUsersParams{
			Pattern: likePattern(filter.Search), Role: string(filter.Role), Active: filter.Active, Verified: filter.Verified,
			Beyond: w.ID, Back: w.Back, Most: w.Limit, Skip: w.Offset, CountUpTo: countUpTo,
		})
	}
	page, err := readPage(listing[*dbsqlc.ListUsersRow, clinic.ListedUser]{
		page: request,
		read: func(w window) ([]*dbsqlc.ListUsersRow, error) {
			return list(h.auditing(clinic.Object{Kind: clinic.ObjectUser}, w.shown()), w)
		},
		item: func(r *dbsqlc.ListUsersRow) (clinic.ListedUser, error) {
			return clinic.ListedUser{
				User: userOf(r.Account), PatientID: orZero(r.PatientID), DoctorID: r.DoctorID, VerifiedAt: r.VerifiedAt,
			}, nil
		},
		total: func(r *dbsqlc.ListUsersRow) counted { return upTo(r.Total) },
		count: func() (counted, error) { // the first row has the count
			rows, err := list(h.handle, window{Limit: 1})
			if err != nil || len(rows) == 0 {
				return exactly(0), err
			}
			return upTo(rows[0].Total), nil
		},
		position: byID(func(u clinic.ListedUser) int64 { return u.ID }),
	})
	if err != nil {
		return clinic.Page[clinic.ListedUser]{}, fmt.Errorf("listing users: %w", err)
	}
	return page, nil
}
