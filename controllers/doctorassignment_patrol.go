package controllers

import (
	"context"
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// batchSize limits the owners of one query, and batchPairs their pairs: a query takes some seconds for so many.
const (
	batchSize  = 1000
	batchPairs = 200_000
)

// patrol compares all objects with the database at intervals, and enqueues those that differ: it finds what others have
// changed there.
type patrol struct {
	*reconciler
	found chan event.TypedGenericEvent[*v1alpha1.DoctorAssignment]
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (p *patrol) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable.
func (p *patrol) Start(ctx context.Context) error {
	every(ctx, p.ResyncInterval, func() {
		if err := p.compare(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(public(err), "comparing the objects with the database")
		}
	})
	return nil
}

// pauses is the least time between two calls of every, in times of what the first one took: the database has other work, too.
const pauses = 4

// every calls do at intervals until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			began := time.Now()
			do()
			ticker.Reset(max(interval, pauses*time.Since(began)))
		}
	}
}

// compare makes one round over all objects, with one query for each batch.
func (p *patrol) compare(ctx context.Context) error {
	var list v1alpha1.DoctorAssignmentList
	if err := p.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return clinic.Internal(err)
	}
	objects := make([]*v1alpha1.DoctorAssignment, 0, len(list.Items))
	for i := range list.Items {
		if carriedOut(&list.Items[i]) {
			objects = append(objects, &list.Items[i])
		}
	}
	slices.SortFunc(objects, func(a, b *v1alpha1.DoctorAssignment) int { return strings.Compare(string(a.UID), string(b.UID)) })
	for len(objects) > 0 {
		size := nextBatch(objects)
		if err := p.compareBatch(ctx, objects[:size]); err != nil {
			return err
		}
		objects = objects[size:]
	}
	return nil
}

// nextBatch returns how many of the objects the next query is about: at least one.
func nextBatch(objects []*v1alpha1.DoctorAssignment) int {
	pairs := 0
	for i, da := range objects[:min(len(objects), batchSize)] {
		if pairs += int(da.Status.Total); pairs > batchPairs && i > 0 {
			return i
		}
	}
	return min(len(objects), batchSize)
}

func (p *patrol) compareBatch(ctx context.Context, batch []*v1alpha1.DoctorAssignment) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	self, err := p.identity.owner(ctx, "")
	if err != nil {
		return err
	}
	uids := make([]string, 0, len(batch))
	for _, da := range batch {
		uids = append(uids, string(da.UID))
	}
	list, err := p.Declarer.States(ctx, self.Cluster, uids)
	if err != nil {
		return err
	}
	states := make(map[string]clinic.DeclaredState, len(list))
	for _, state := range list {
		states[state.UID] = state
	}
	for _, da := range batch {
		if !agrees(da, states[string(da.UID)]) {
			select {
			case p.found <- event.TypedGenericEvent[*v1alpha1.DoctorAssignment]{Object: da}:
			case <-ctx.Done():
				return clinic.Unavailable(ctx.Err())
			}
		}
	}
	return nil
}

// carriedOut reports whether the status tells what the database holds. Otherwise the object has a pass before it, or, if its
// spec is invalid, no pass would help.
func carriedOut(da *v1alpha1.DoctorAssignment) bool {
	ready := apimeta.FindStatusCondition(da.Status.Conditions, v1alpha1.ReadyCondition)
	if !da.DeletionTimestamp.IsZero() || ready == nil || ready.ObservedGeneration != da.Generation {
		return false
	}
	switch ready.Reason {
	case v1alpha1.ReasonInvalid, v1alpha1.ReasonConflict, v1alpha1.ReasonUnavailable, v1alpha1.ReasonInternalError:
		return false
	default:
		return true
	}
}

// agrees reports whether the database holds what the status says. The zero state is that of an owner without claims.
func agrees(da *v1alpha1.DoctorAssignment, state clinic.DeclaredState) bool {
	status := &da.Status
	claims := int(status.Claims)
	reason := apimeta.FindStatusCondition(status.Conditions, v1alpha1.ReadyCondition).Reason
	replaced := state.Claims > claims && mayReplace(da, reason)
	switch {
	case reason == v1alpha1.ReasonSuperseded:
		return false // by a controller that is not there anymore, or this one's status was overwritten
	case claims != state.Claims && !replaced:
		return false
	case state.Claims > 0 && state.Generation != da.Generation:
		return false // after a restore of the database
	case reason == v1alpha1.ReasonEndedByAdministrator:
		return held(status) == state.Held // otherwise a hold was lifted
	case replaced || claims != int(status.Total):
		return true // pairs without a claim have no state
	default:
		return int(status.Assigned) == state.Assigned && int(status.Shared) == state.Shared
	}
}

// mayReplace reports whether the object may have claims of a doctor who is replaced, which are not counted in the status.
func mayReplace(da *v1alpha1.DoctorAssignment, reason string) bool {
	switch reason {
	case v1alpha1.ReasonScheduled, v1alpha1.ReasonNotADoctor, v1alpha1.ReasonNotAPatient, v1alpha1.ReasonEndedByAdministrator:
		return da.Spec.Doctor != nil
	default: // it has none, or is tried again anyway
		return false
	}
}

// held returns the number of pairs that an administrator holds. The status names them first.
func held(status *v1alpha1.DoctorAssignmentStatus) (named int) {
	for _, problem := range status.Problems {
		if problem.Reason == v1alpha1.ReasonEndedByAdministrator {
			named++
		}
	}
	if named == v1alpha1.MaxProblems { // and maybe more
		return int(status.Total - status.Claims)
	}
	return named
}

// enqueueFound enqueues an object with a lower priority than changes by people, which must not wait for it.
func enqueueFound(_ context.Context, e event.TypedGenericEvent[*v1alpha1.DoctorAssignment], queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.Object)}
	if byPriority, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		byPriority.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, request)
		return
	}
	queue.Add(request)
}
