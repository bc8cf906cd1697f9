package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
)

// letGo ends or retains the assignments of an object that is being deleted, then lets it disappear.
// While the database does not answer the object stays, and this is tried again.
func (r *reconciler) letGo(ctx context.Context, da *v1alpha1.DoctorAssignment) error {
	finalizer := slices.Index(da.Finalizers, v1alpha1.Finalizer)
	if finalizer < 0 {
		return nil
	}
	result, err := r.releaseOrRetain(ctx, da)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		v := judgeError(err)
		v.stalled = false
		r.conclude(da, v, r.Now())
		return fmt.Errorf("letting the assignments go: %w", public(err))
	}
	r.announce(ctx, da, result)
	if da.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain {
		r.events.Eventf(da, nil, corev1.EventTypeNormal, "AssignmentsRetained", "LetGo",
			"The assignments stay active, held by no object.")
	}
	if err := r.removeFinalizer(ctx, da, finalizer); err != nil {
		return client.IgnoreNotFound(err)
	}
	if len(da.Finalizers) > 0 {
		r.conclude(da, notReady(v1alpha1.ReasonDeleted, "The assignments were let go; another finalizer keeps the object."), r.Now())
	}
	return nil
}

func (r *reconciler) releaseOrRetain(ctx context.Context, da *v1alpha1.DoctorAssignment) (clinic.DeclarationResult, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if da.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain {
		return clinic.DeclarationResult{}, r.Declarer.Retain(ctx, string(da.UID))
	}
	return r.withdraw(ctx, da)
}

// removeFinalizer takes the finalizer at the index out of the list and nothing else. It need not see the latest copy of
// the object, only this one and not its successor of the same name.
func (r *reconciler) removeFinalizer(ctx context.Context, da *v1alpha1.DoctorAssignment, index int) error {
	type operation struct { // RFC 6902
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value string `json:"value,omitempty"`
	}
	finalizer := fmt.Sprintf("/metadata/finalizers/%d", index)
	patch, err := json.Marshal([]operation{
		{Op: "test", Path: "/metadata/uid", Value: string(da.UID)},
		{Op: "test", Path: finalizer, Value: v1alpha1.Finalizer},
		{Op: "remove", Path: finalizer},
	})
	if err != nil {
		return fmt.Errorf("encoding a patch: %w", err)
	}
	if err := r.client.Patch(ctx, da, client.RawPatch(types.JSONPatchType, patch)); err != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	return nil
}

// departed keeps the last state of objects that are gone until their assignments surely are, too. A finalizer does not
// hold an object whose deletion the API server has begun when the finalizer is added, nor one that people remove
// the finalizer of. The zero value is ready for use.
type departed struct {
	mutex   sync.Mutex
	objects map[types.NamespacedName][]*v1alpha1.DoctorAssignment
}

func (d *departed) add(name types.NamespacedName, objects ...*v1alpha1.DoctorAssignment) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.objects == nil {
		d.objects = map[types.NamespacedName][]*v1alpha1.DoctorAssignment{}
	}
	d.objects[name] = append(d.objects[name], objects...)
}

// take returns the objects that had the name and forgets them.
func (d *departed) take(name types.NamespacedName) []*v1alpha1.DoctorAssignment {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	objects := d.objects[name]
	delete(d.objects, name)
	return objects
}

// remember is called when an object is gone.
func (r *reconciler) remember(_ context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	da, ok := e.Object.(*v1alpha1.DoctorAssignment)
	if !ok {
		return
	}
	name := client.ObjectKeyFromObject(da)
	r.departed.add(name, da)
	queue.Add(reconcile.Request{NamespacedName: name})
}

// letGoDeparted ends or retains what the objects hold that had the name and are gone: nothing, as a rule.
func (r *reconciler) letGoDeparted(ctx context.Context, name types.NamespacedName) error {
	objects := r.departed.take(name)
	for i, da := range objects {
		result, err := r.releaseOrRetain(ctx, da)
		if err != nil {
			r.departed.add(name, objects[i:]...)
			return fmt.Errorf("letting the assignments of a deleted object go: %w", public(err))
		}
		r.announce(ctx, da, result)
	}
	return nil
}
