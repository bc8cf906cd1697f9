package service

import (
	"context"
	"fmt"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Disable disables an account: its sessions end, and its next
// request is refused. Only administrators may, and not their own account, so that one
// administrator always remains: that fails with CodeConflict and reason "own_account".
func (s *Accounts) Disable(ctx context.Context, caller clinic.Caller, id int64) (clinic.User, error) {
	if caller.UserID == id && caller.Role == clinic.RoleAdmin {
		return clinic.User{}, s.db.Refused(ctx, caller, clinic.Object{Kind: clinic.ObjectUser, ID: id},
			clinic.Conflict("own_account", "you cannot disable your own account; ask another administrator"))
	}
	return s.setActive(ctx, caller, id, false)
}

// Enable enables a disabled account again; administrators only.
func (s *Accounts) Enable(ctx context.Context, caller clinic.Caller, id int64) (clinic.User, error) {
	return s.setActive(ctx, caller, id, true)
}

func (s *Accounts) setActive(ctx context.Context, caller clinic.Caller, id int64, active bool) (user clinic.User, err error) {
	object := clinic.Object{Kind: clinic.ObjectUser, ID: id}
	if err := admit(ctx, s.db, caller, object, require(caller, "only administrators disable and enable accounts", clinic.RoleAdmin)); err != nil {
		return clinic.User{}, err
	}
	err = s.db.Audited(ctx, caller, object, func(h store.Handle) error {
		admins, err := h.Accounts().LockAdmins(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(admins, caller.UserID) { // disabled while this call waited for the lock
			return clinic.Unauthenticated("this account is no longer active").WithReason("account_inactive")
		}
		user, err = h.Accounts().SetActive(ctx, id, active)
		return err
	})
	if err != nil {
		return clinic.User{}, fmt.Errorf("changing an account's activity: %w", err)
	}
	if user.Role == clinic.RoleDoctor {
		directoryChanged(ctx, s.directory)
	}
	return user, nil
}
