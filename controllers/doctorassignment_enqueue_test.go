package controllers

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// TestARevocationDoesNotWaitForWhatTheOneBeforeSetOff expects the deletion of c first, although a and b were enqueued before
// it to create assignments for released pairs.
func TestARevocationDoesNotWaitForWhatTheOneBeforeSetOff(t *testing.T) {
	t.Parallel()
	b := setup(t, newObject("a"), newObject("b"))
	queue := priorityqueue.New[reconcile.Request](t.Name())
	t.Cleanup(queue.ShutDown)
	b.enqueueDeclaring(t.Context(), event.TypedGenericEvent[string]{Object: "doctor1"}, queue)
	queue.Add(reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: "c"}})
	var order []string
	for range 3 {
		request, _ := queue.Get()
		order = append(order, request.Name)
	}
	if order[0] != "c" {
		t.Errorf("taken in the order %v", order)
	}
}
