package service

import (
	"context"
	"fmt"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// Disable takes an account out of use: its sessions end, and its next
// request is refused. Administrators only, and nobody himself, so that one of
// them is always left: that is CodeConflict with reason "own_account".
func (s *Accounts) Disable(ctx context.Context, caller clinic.Caller, id int64) (clinic.User, error) {
	if caller.UserID == id && caller.Role == clinic.RoleAdmin {
		return clinic.User{}, s.db.Refused(ctx, caller, clinic.Object{Kind: clinic.ObjectUser, ID: id},
			clinic.Conflict("own_account", "you cannot disable your own account: another administrator can"))
	}
	return s.setActive(ctx, caller, id, false)
}

// Enable takes a disabled account back into use; administrators only.
func (s *Accounts) Enable(ctx context.Context, caller clinic.Caller, id int64) (clinic.User, error) {
	return s.setActive(ctx, caller, id, true)
}

func (s *Accounts) setActive(ctx context.Context, caller clinic.Caller, id int64, active bool) (user clinic.User, err error) {
	object := clinic.Object{Kind: clinic.ObjectUser, ID: id}
	if err := admit(ctx, s.db, caller, object, "only administrators disable and enable accounts", clinic.RoleAdmin); err != nil {
		return clinic.User{}, err
	}
	err = s.db.Audited(ctx, caller, object, func(h store.Handle) error {
		admins, err := h.Accounts().LockAdmins(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(admins, caller.UserID) { // disabled while he waited for the lock
			return clinic.Unauthenticated("this account is not active any more").WithReason("account_inactive")
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
