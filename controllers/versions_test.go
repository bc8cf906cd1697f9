package controllers

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// checkVersions watches the namespace, and checks each version of each object after the test.
func (c *cluster) checkVersions(t *testing.T) {
	t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("DoctorAssignmentList"))
	watcher, err := c.client.Watch(context.WithoutCancel(t.Context()), list, client.InNamespace(c.namespace))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for change := range watcher.ResultChan() {
			if object, ok := change.Object.(*unstructured.Unstructured); ok {
				checkVersion(t, object)
			}
		}
	}()
	t.Cleanup(func() {
		watcher.Stop()
		<-ended
	})
}

// checkVersion fails if tools would take a version of an object for finished whose spec is not carried out. It looks at what
// the API server sends, because a decoded object has zeros in place of missing fields.
func checkVersion(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	result, err := status.Compute(object)
	if err != nil {
		t.Errorf("%s: %v", object.GetName(), err)
		return
	}
	observed, found, err := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if err != nil || !found {
		t.Errorf("%s at generation %d has no observedGeneration", object.GetName(), object.GetGeneration())
	}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	states := map[any]any{}
	holding := 0
	for _, condition := range conditions {
		fields, _ := condition.(map[string]any)
		states[fields["type"]] = fields["status"]
		if fields["status"] == string(metav1.ConditionTrue) {
			holding++
		}
	}
	if (len(conditions) > 0) != (observed > 0) || len(conditions) > 0 && holding != 1 {
		t.Errorf("%s: observedGeneration is %d, and the conditions are %v", object.GetName(), observed, states)
	}
	total, _, _ := unstructured.NestedInt64(object.Object, "status", "total")
	assigned, _, _ := unstructured.NestedInt64(object.Object, "status", "assigned")
	ready := states[v1alpha1.ReadyCondition] == string(metav1.ConditionTrue) && assigned == total && total > 0
	if result.Status == status.CurrentStatus && (observed != object.GetGeneration() || !ready) {
		t.Errorf("%s: tools take it for finished, but %v pairs of %v are assigned at generation %d of %d: %v",
			object.GetName(), assigned, total, observed, object.GetGeneration(), states)
	}
}
