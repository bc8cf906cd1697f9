package requester

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

const (
	ann = "ann"
	bob = "oidc:bob/~1@example.org \"Bob\"" // odd, as the names of an identity provider can be
)

// attempt is a request of bob for an object that ann created.
type attempt struct {
	send func(*testing.T, dynamic.ResourceInterface, *unstructured.Unstructured) error
	// changesSpec says that the object then names bob; otherwise it still names ann.
	changesSpec bool
	// lies says that the request does not leave the annotation as it has to be, so that Kubernetes before 1.36 refuses it.
	lies bool
}

func attempts() map[string]attempt {
	lie := object{"metadata": object{"annotations": object{annotation: "mallory"}}}
	truth := object{"metadata": object{"annotations": object{annotation: bob}}, "spec": object{"reason": "another"}}
	return map[string]attempt{
		"a label":                         {send: merge(object{"metadata": object{"labels": object{"team": "a"}}})},
		"another annotation":              {send: merge(object{"metadata": object{"annotations": object{"example.org/note": "x"}}})},
		"an annotation with a like name":  {send: merge(object{"metadata": object{"annotations": object{"healthrecords.io/requested-by-2": "x"}}})},
		"a finalizer":                     {send: merge(object{"metadata": object{"finalizers": []any{"healthrecords.io/assignments"}}})},
		"a lie":                           {send: merge(lie), lies: true},
		"their own name without a change": {send: merge(object{"metadata": truth["metadata"]}), lies: true},
		"an empty name":                   {send: merge(object{"metadata": object{"annotations": object{annotation: ""}}}), lies: true},
		"the annotation removed":          {send: jsonPatch(`[{"op": "remove", "path": "/metadata/annotations/healthrecords.io~1requested-by"}]`), lies: true},
		"all annotations removed":         {send: merge(object{"metadata": object{"annotations": nil}}), lies: true},
		"a spec":                          {send: merge(object{"spec": truth["spec"]}), changesSpec: true, lies: true},
		"a spec with a lie":               {send: merge(object{"metadata": lie["metadata"], "spec": truth["spec"]}), changesSpec: true, lies: true},
		"a spec with their own name":      {send: merge(truth), changesSpec: true},
		"a spec without annotations":      {send: merge(object{"metadata": object{"annotations": nil}, "spec": truth["spec"]}), changesSpec: true, lies: true},
		"the same spec":                   {send: merge(object{"spec": object{"doctor": object{"username": "doctor1"}, "suspend": nil}})},
		"a replacement":                   {send: replace(func(o *unstructured.Unstructured) { o.SetAnnotations(nil) }), lies: true},
		"a replacement with another spec": {send: replace(func(o *unstructured.Unstructured) { o.SetAnnotations(nil); suspend(o) }), changesSpec: true, lies: true},
		"a default spelled out": {send: replace(func(o *unstructured.Unstructured) {
			_ = unstructured.SetNestedField(o.Object, "Release", "spec", "deletionPolicy")
		})},
		"the same object applied":             {send: apply(func(*unstructured.Unstructured) {})},
		"the same object applied with a lie":  {send: apply(func(o *unstructured.Unstructured) { o.SetAnnotations(map[string]string{annotation: "mallory"}) }), lies: true},
		"another spec applied":                {send: apply(suspend), changesSpec: true, lies: true},
		"another spec applied with a lie":     {send: apply(func(o *unstructured.Unstructured) { suspend(o); o.SetAnnotations(map[string]string{annotation: ann}) }), changesSpec: true, lies: true},
		"another spec applied with the truth": {send: apply(func(o *unstructured.Unstructured) { suspend(o); o.SetAnnotations(map[string]string{annotation: bob}) }), changesSpec: true},
		"a status with a lie":                 {send: sendStatus},
		"a deletion":                          {send: sendDeletion},
	}
}

func suspend(o *unstructured.Unstructured) {
	_ = unstructured.SetNestedField(o.Object, true, "spec", "suspend")
}

func merge(body object) func(*testing.T, dynamic.ResourceInterface, *unstructured.Unstructured) error {
	return func(t *testing.T, client dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		t.Helper()
		_, err := client.Patch(t.Context(), o.GetName(), types.MergePatchType, testkit.Value(json.Marshal(body))(t), metav1.PatchOptions{})
		return err
	}
}

func jsonPatch(body string) func(*testing.T, dynamic.ResourceInterface, *unstructured.Unstructured) error {
	return func(t *testing.T, client dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		t.Helper()
		_, err := client.Patch(t.Context(), o.GetName(), types.JSONPatchType, []byte(body), metav1.PatchOptions{})
		return err
	}
}

// replace sends the object that the user has read, with a change, as kubectl replace does.
func replace(change func(*unstructured.Unstructured)) func(*testing.T, dynamic.ResourceInterface, *unstructured.Unstructured) error {
	return func(t *testing.T, client dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		t.Helper()
		o = o.DeepCopy()
		change(o)
		_, err := client.Update(t.Context(), o, metav1.UpdateOptions{})
		return err
	}
}

// apply sends the object as kubectl apply --server-side --force-conflicts does.
func apply(change func(*unstructured.Unstructured)) func(*testing.T, dynamic.ResourceInterface, *unstructured.Unstructured) error {
	return func(t *testing.T, client dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		t.Helper()
		sent := assignment(o.GetName(), "")
		change(sent)
		_, err := client.Apply(t.Context(), o.GetName(), sent, metav1.ApplyOptions{FieldManager: "bob", Force: true})
		return err
	}
}

func sendStatus(t *testing.T, client dynamic.ResourceInterface, o *unstructured.Unstructured) error {
	t.Helper()
	o = o.DeepCopy()
	o.SetAnnotations(map[string]string{annotation: "mallory"})
	_ = unstructured.SetNestedField(o.Object, int64(1), "status", "assigned")
	_ = unstructured.SetNestedField(o.Object, int64(1), "status", "total")
	_ = unstructured.SetNestedField(o.Object, int64(1), "status", "claims")
	_ = unstructured.SetNestedField(o.Object, int64(0), "status", "shared")
	suspend(o)
	updated, err := client.UpdateStatus(t.Context(), o, metav1.UpdateOptions{})
	if err == nil {
		if assigned, _, _ := unstructured.NestedInt64(updated.Object, "status", "assigned"); assigned != 1 {
			t.Errorf("the status was not written: %v", updated.Object)
		}
	}
	return err
}

// sendDeletion deletes an object with a finalizer, and then removes that.
func sendDeletion(t *testing.T, client dynamic.ResourceInterface, o *unstructured.Unstructured) error {
	t.Helper()
	if err := merge(object{"metadata": object{"finalizers": []any{"example.org/wait"}}})(t, client, o); err != nil {
		return err
	}
	if err := client.Delete(t.Context(), o.GetName(), metav1.DeleteOptions{}); err != nil {
		return err
	}
	return merge(object{"metadata": object{"labels": object{"team": "a"}}})(t, client, o)
}

// form is one of the two policies.
type form struct {
	directory, kind string
	demands         bool // refuses what the other form replaces
}

var forms = []form{
	{directory: "stamp", kind: "mutating"},
	{directory: "demand", kind: "validating", demands: true},
}

// TestRequesterIsNeverTakenFromTheSubmitter sends every way to forge or lose the annotation, to both policies.
func TestRequesterIsNeverTakenFromTheSubmitter(t *testing.T) {
	t.Parallel()
	for _, form := range forms {
		t.Run(form.directory, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enforce(form, "one")
			w.tryAll(t, form)
		})
	}
}

// TestReleasesAgree installs the policies of several releases, one of them from before an upgrade of Kubernetes.
func TestReleasesAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enforce(forms[0], "one")
	w.enforce(forms[0], "two")
	w.enforce(forms[1], "three")
	w.tryAll(t, forms[0])
}

func (w world) tryAll(t *testing.T, form form) {
	t.Helper()
	for i, name := range slices.Sorted(maps.Keys(attempts())) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.try(t, form, fmt.Sprintf("object-%d", i), attempts()[name])
		})
	}
}

func (w world) try(t *testing.T, form form, name string, a attempt) {
	t.Helper()
	created := testkit.Value(w.as(ann).Create(t.Context(), assignment(name, ann), metav1.CreateOptions{}))(t)
	err := a.send(t, w.as(bob), created)
	refused := a.lies && form.demands
	want := ann
	if a.changesSpec && !refused {
		want = bob
	}
	switch {
	case refused && !apierrors.IsInvalid(err):
		t.Errorf("the answer is %v", err)
	case refused && a.changesSpec && !strings.Contains(err.Error(), `set the annotation `+annotation+` to your Kubernetes username, "`+bob+`"`):
		t.Errorf("the message does not say what to send: %v", err)
	case refused && !a.changesSpec && !strings.Contains(err.Error(), "leave the annotation "+annotation+" as it is"):
		t.Errorf("the message does not say what to send: %v", err)
	case !refused && err != nil:
		t.Errorf("it is refused: %v", err)
	}
	after := testkit.Value(w.as(ann).Get(t.Context(), name, metav1.GetOptions{}))(t)
	if got := after.GetAnnotations()[annotation]; got != want {
		t.Errorf("the object names %q, not %q", got, want)
	}
	if changed := after.GetGeneration() != created.GetGeneration() && after.GetDeletionTimestamp() == nil; changed != (a.changesSpec && !refused) {
		t.Errorf("the spec changed: %v", changed)
	}
}

// TestRequesterOfANewObject creates objects in every way.
func TestRequesterOfANewObject(t *testing.T) {
	t.Parallel()
	users := []string{ann, bob, "system:serviceaccount:flux-system:kustomize-controller", strings.Repeat("long-name-", 30)}
	for _, form := range forms {
		t.Run(form.directory, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enforce(form, "one")
			for i, user := range users {
				stamp := user[:min(len(user), 253)]
				for sent, refused := range map[string]bool{"": form.demands, "mallory": form.demands, stamp: false} {
					made := assignment(fmt.Sprintf("object-%d-%d", i, len(sent)), sent)
					applied := made.DeepCopy()
					applied.SetName(made.GetName() + "-applied")
					created, err := w.as(user).Create(t.Context(), made, metav1.CreateOptions{})
					check(t, created, err, stamp, refused)
					created, err = w.as(user).Apply(t.Context(), applied.GetName(), applied, metav1.ApplyOptions{FieldManager: "kubectl"})
					check(t, created, err, stamp, refused)
				}
			}
		})
	}
}

func check(t *testing.T, created *unstructured.Unstructured, err error, stamp string, refused bool) {
	t.Helper()
	if refused != apierrors.IsInvalid(err) || !refused && err != nil {
		t.Errorf("creating an object of %.40s: %v", stamp, err)
	}
	if err == nil && created.GetAnnotations()[annotation] != stamp {
		t.Errorf("the object of %.40s names %q", stamp, created.GetAnnotations()[annotation])
	}
}

// TestObjectsFromBeforeThePolicy have no stamp until their spec changes.
func TestObjectsFromBeforeThePolicy(t *testing.T) {
	t.Parallel()
	for _, form := range forms {
		t.Run(form.directory, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			old := testkit.Value(w.as(ann).Create(t.Context(), assignment("old", ""), metav1.CreateOptions{}))(t)
			w.enforce(form, "one")
			stamp := func() (string, bool) {
				got, has := testkit.Value(w.as(ann).Get(t.Context(), "old", metav1.GetOptions{}))(t).GetAnnotations()[annotation]
				return got, has
			}

			err := merge(object{"metadata": object{"annotations": object{annotation: bob, "example.org/note": "x"}}})(t, w.as(bob), old)
			if got, has := stamp(); has || (err != nil) != form.demands {
				t.Errorf("a lie without a change of spec: %v, and the object names %q", err, got)
			}
			testkit.Must(t, merge(object{"metadata": object{"finalizers": []any{"healthrecords.io/assignments"}}})(t, w.as(bob), old))
			if got, has := stamp(); has {
				t.Errorf("a finalizer made the object name %q", got)
			}
			testkit.Must(t, merge(object{"metadata": object{"annotations": object{annotation: bob}}, "spec": object{"reason": "x"}})(t, w.as(bob), old))
			if got, _ := stamp(); got != bob {
				t.Errorf("after a change of spec the object names %q", got)
			}
		})
	}
}

// TestPolicyTakesTheLargestObject, although the API server limits what an expression may cost, and leaves faults to the schema.
func TestPolicyTakesTheLargestObject(t *testing.T) {
	t.Parallel()
	for _, form := range forms {
		t.Run(form.directory, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enforce(form, "one")
			large := assignment("large", ann)
			large.Object["spec"] = object{"doctors": users("doctor", 50), "patients": users("patient", 5000)}
			testkit.Value(w.as(ann).Create(t.Context(), large, metav1.CreateOptions{}))(t)
			testkit.Must(t, merge(object{"metadata": object{"labels": object{"team": "a"}}})(t, w.as(bob), large))
			testkit.Must(t, merge(object{"metadata": object{"annotations": object{annotation: bob}}, "spec": object{"suspend": true}})(t, w.as(bob), large))

			for name, spec := range map[string]any{"no spec": nil, "no patients": object{}} {
				faulty := assignment("faulty", ann)
				faulty.Object["spec"] = spec
				if spec == nil {
					delete(faulty.Object, "spec")
				}
				_, err := w.as(ann).Create(t.Context(), faulty, metav1.CreateOptions{})
				if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "Required value") {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

func users(prefix string, n int) []any {
	var all []any
	for i := range n {
		all = append(all, object{"username": fmt.Sprintf("%s-%s-%d", strings.Repeat("x", 130), prefix, i)})
	}
	return all
}
