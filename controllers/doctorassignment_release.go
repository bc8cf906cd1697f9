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
)

// release ends or retains the claims of an object that is being deleted, then removes the finalizer.
// While the database does not answer, the object stays and the controller tries again.
func (r *reconciler) release(ctx context.Context, da *v1alpha1.DoctorAssignment) error {
	finalizer := slices.Index(da.Finalizers, v1alpha1.Finalizer)
	if finalizer < 0 {
		return nil
	}
	err := r.releaseOrRetain(ctx, da, false)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		total(da)
		r.setOutcome(da, releaseOutcome(err), "", r.Now())
		return fmt.Errorf("releasing the assignments: %w", public(err))
	}
	if err := removeFinalizer(ctx, r.client, da, finalizer); err != nil {
		return client.IgnoreNotFound(err)
	}
	if len(da.Finalizers) > 0 {
		da.Status.Claims = 0
		r.setOutcome(da, notReady(v1alpha1.ReasonDeleted, "The object claims nothing any longer. Its deletion waits for another finalizer."), "", r.Now())
	}
	return nil
}

// releaseOrRetain ends or retains the claims of an object, and writes an event if that changed something. said means that the
// event about retained claims was written before: Retain does not tell whether there were any.
func (r *reconciler) releaseOrRetain(ctx context.Context, da *v1alpha1.DoctorAssignment, said bool) error {
	ctx, cancel := context.WithTimeout(ctx, timeLimit(da))
	defer cancel()
	owner, err := r.identity.owner(ctx, da.UID)
	if err != nil {
		return err
	}
	if da.Spec.DeletionPolicy == v1alpha1.DeletionPolicyRetain {
		if err := r.Declarer.Retain(ctx, owner); err != nil {
			return err
		}
		if !said {
			r.events.Eventf(da, nil, corev1.EventTypeNormal, "AssignmentsRetained", "Retain",
				"The assignments stay active. Their claims belong to no object any longer; an administrator can end them over REST.")
		}
		return nil
	}
	ended, err := r.Declarer.Release(ctx, owner)
	if ended > 0 {
		r.events.Eventf(da, nil, corev1.EventTypeNormal, "AssignmentsChanged", "Release", "Assignments started: 0, ended: %d.", ended)
	}
	return err
}

// removeFinalizer removes the finalizer at the index, and nothing else. It works with an old copy of the object, but never
// on another object that has the same name.
func removeFinalizer(ctx context.Context, c client.Client, da *v1alpha1.DoctorAssignment, index int) error {
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
	if err := c.Patch(ctx, da, client.RawPatch(types.JSONPatchType, patch)); err != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	return nil
}

// deletedObjects keeps the last state of deleted objects until their claims are released. An object can disappear
// without its finalizer in two cases: its deletion has begun when the finalizer is added, or somebody removes the
// finalizer. The zero value is ready for use.
type deletedObjects struct {
	mutex   sync.Mutex
	objects map[types.NamespacedName][]*v1alpha1.DoctorAssignment
}

func (d *deletedObjects) add(name types.NamespacedName, objects ...*v1alpha1.DoctorAssignment) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.objects == nil {
		d.objects = map[types.NamespacedName][]*v1alpha1.DoctorAssignment{}
	}
	d.objects[name] = append(d.objects[name], objects...)
}

// take returns the objects that had the name and forgets them.
func (d *deletedObjects) take(name types.NamespacedName) []*v1alpha1.DoctorAssignment {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	objects := d.objects[name]
	delete(d.objects, name)
	return objects
}

// enqueueDeleted is called when an object has been deleted.
func (r *reconciler) enqueueDeleted(_ context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	da, ok := e.Object.(*v1alpha1.DoctorAssignment)
	if !ok {
		return
	}
	name := client.ObjectKeyFromObject(da)
	r.deleted.add(name, da)
	queue.Add(reconcile.Request{NamespacedName: name})
}

// releaseDeleted ends or retains the claims of deleted objects that had the name. Usually there are none.
func (r *reconciler) releaseDeleted(ctx context.Context, name types.NamespacedName) error {
	objects := r.deleted.take(name)
	for i, da := range objects {
		if err := r.releaseOrRetain(ctx, da, !da.DeletionTimestamp.IsZero()); err != nil { // its deletion had a pass of its own
			r.deleted.add(name, objects[i:]...)
			return fmt.Errorf("releasing the assignments of a deleted object: %w", public(err))
		}
	}
	return nil
}
