package service

import (
	"context"
	"fmt"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// DisableUser takes an account out of use: its sessions end, and its next
// request is refused. Administrators only, and nobody himself, so that one of
// them is always left: that is CodeConflict with reason "own_account".
func (s *Service) DisableUser(ctx context.Context, caller clinic.Caller, id int64) (clinic.User, error) {
	if caller.UserID == id && caller.Role == clinic.RoleAdmin {
		return clinic.User{}, s.db.Refused(ctx, caller, clinic.Object{Kind: clinic.ObjectUser, ID: id},
			clinic.Conflict("own_account", "you cannot disable your own account: another administrator can"))
	}
	return s.setUserActive(ctx, caller, id, false)
}

// EnableUser takes a disabled account back into use; administrators only.
func (s *Service) EnableUser(ctx context.Context, caller clinic.Caller, id int64) (clinic.User, error) {
	return s.setUserActive(ctx, caller, id, true)
}

func (s *Service) setUserActive(ctx context.Context, caller clinic.Caller, id int64, active bool) (user clinic.User, err error) {
	object := clinic.Object{Kind: clinic.ObjectUser, ID: id}
	if err := s.admit(ctx, caller, object, "only administrators disable and enable accounts", clinic.RoleAdmin); err != nil {
		return clinic.User{}, err
	}
	err = s.db.Audited(ctx, caller, object, func(h store.Handle) error {
		admins, err := h.LockAdmins(ctx)
		if err != nil {
			return err
		}
		if !slices.Contains(admins, caller.UserID) { // disabled while he waited for the lock
			return clinic.Unauthenticated("this account is not active any more").WithReason("account_inactive")
		}
		user, err = h.SetUserActive(ctx, id, active)
		return err
	})
	if err != nil {
		return clinic.User{}, fmt.Errorf("changing an account's activity: %w", err)
	}
	if user.Role == clinic.RoleDoctor {
		s.directoryChanged(ctx)
	}
	return user, nil
}
