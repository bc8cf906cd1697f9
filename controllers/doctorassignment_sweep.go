package controllers

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// sweep ends or retains the claims of objects that have disappeared while no controller saw it: they lost their finalizer, or
// the database was restored to a time when they existed. It needs to see all objects of the cluster.
type sweep struct{ *reconciler }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (s *sweep) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable.
func (s *sweep) Start(ctx context.Context) error {
	round := func() {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(public(err), "looking for claims of objects that have disappeared")
		}
	}
	round()
	every(ctx, s.SweepInterval, round)
	return nil
}

// sweep makes one round over all owners of the cluster.
func (s *sweep) sweep(ctx context.Context) error {
	self, err := s.identity.owner(ctx, "")
	if err != nil {
		return err
	}
	for after := ""; ; {
		owners, err := s.Declarer.Owners(ctx, self.Cluster, after, batchSize)
		if err != nil {
			return err
		}
		if err := s.sweepBatch(ctx, owners); err != nil {
			return err
		}
		if len(owners) < batchSize {
			return nil
		}
		after = owners[len(owners)-1].UID
	}
}

func (s *sweep) sweepBatch(ctx context.Context, owners []clinic.DeclaredState) error {
	var list v1alpha1.DoctorAssignmentList // after the owners: whoever has claims had an object before
	if err := s.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return clinic.Internal(err)
	}
	present := make(map[string]bool, len(list.Items))
	for i := range list.Items {
		present[string(list.Items[i].UID)] = true
	}
	for _, owner := range owners {
		if present[owner.UID] {
			continue
		}
		gone, err := s.gone(ctx, owner)
		if err != nil {
			return clinic.Internal(err)
		}
		if gone {
			err = s.forget(ctx, owner)
		}
		if err != nil && clinic.CodeOf(err) != clinic.CodeConflict { // the next round tries a conflict again
			return err
		}
	}
	return nil
}

// gone asks the API server whether the object has disappeared, because the cache may lag behind. As long as another object of
// the name waits for its first pass, the answer is no: its claims come first, so that access has no gap.
func (s *sweep) gone(ctx context.Context, owner clinic.DeclaredState) (bool, error) {
	namespace, name, _ := strings.Cut(owner.Name, "/")
	da := &v1alpha1.DoctorAssignment{}
	err := s.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, da)
	switch {
	case apierrors.IsNotFound(err):
		return s.served(ctx)
	case err != nil:
		return false, fmt.Errorf("looking for an object: %w", err)
	default:
		return da.UID != types.UID(owner.UID) && carriedOut(da), nil
	}
}

// served fails if the API server does not know the custom resource, so that nothing can be said about objects.
func (s *sweep) served(ctx context.Context) (bool, error) {
	if err := s.live.List(ctx, &v1alpha1.DoctorAssignmentList{}, client.Limit(1)); err != nil {
		return false, fmt.Errorf("listing one object: %w", err)
	}
	return true, nil
}

func (s *sweep) forget(ctx context.Context, state clinic.DeclaredState) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout+maxPairs*pairTimeout) // nobody has counted its claims
	defer cancel()
	owner, err := s.identity.owner(ctx, types.UID(state.UID))
	if err != nil {
		return err
	}
	if state.Retain {
		err = s.Declarer.Retain(ctx, owner)
	} else {
		_, err = s.Declarer.Release(ctx, owner)
	}
	if err == nil {
		log.FromContext(ctx).Info("ended or retained the claims of an object that has disappeared", "object", state.Name, "uid", state.UID, "retained", state.Retain)
	}
	return err
}
