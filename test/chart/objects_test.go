package chart

import (
	"encoding/base64"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/healthrecords/healthrecords/internal/token"
)

// TestGeneratedSigningKey checks that the server can read the generated key.
func TestGeneratedSigningKey(t *testing.T) {
	t.Parallel()
	for _, helm := range helms {
		t.Run(helm, func(t *testing.T) {
			t.Parallel()
			output, err := tool(t, helm, "template", release, chartDir, "--kube-version", kubernetesVersions[0], "--show-only", "templates/secrets.yaml")
			if err != nil {
				t.Fatal(output)
			}
			secret := parse(t, output)["Secret/clinic-healthrecords-signing-keys"]
			data, _, _ := unstructured.NestedStringMap(secret.Object, "data")
			directory := t.TempDir()
			for name, encoded := range data {
				key, err := base64.StdEncoding.DecodeString(encoded)
				if err == nil {
					err = os.WriteFile(filepath.Join(directory, name), key, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			keys, err := token.LoadKeys(directory)
			if err != nil || len(keys.Public()) != 1 {
				t.Errorf("the server does not read the key: %v", err)
			}
		})
	}
}

// TestNamesFit uses the longest names that Helm allows.
func TestNamesFit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long-name-", 6)
	for _, test := range [][]string{{release, "fullnameOverride=" + long + "a"}, {release, "nameOverride=" + long + "a"}, {long[:52] + "a", "nameOverride="}} {
		t.Run(strings.Join(test, " "), func(t *testing.T) {
			t.Parallel()
			output, err := tool(t, "helm@v4", "template", test[0], chartDir, "--set", test[1],
				"--values", chartDir+"/ci/monitored-values.yaml", "--set", "postgresql.mode=cloudnativepg")
			if err != nil {
				t.Fatal(output)
			}
			for key, object := range parse(t, output) {
				limit := 63
				if object.GetKind() == "Cluster" {
					limit = 50 // the limit of CloudNativePG
				}
				if name := object.GetName(); len(name) > limit && !strings.HasPrefix(object.GetAPIVersion(), "rbac.") && object.GetKind() != "CustomResourceDefinition" {
					t.Errorf("%s has %d characters", key, len(name))
				}
				for label, value := range object.GetLabels() {
					if faults := validation.IsValidLabelValue(value); faults != nil {
						t.Errorf("%s: %s=%s: %v", key, label, value, faults)
					}
				}
			}
		})
	}
	one, other := fullname(t, long+"a"), fullname(t, long+"b")
	if one == other {
		t.Errorf("two long names are both cut to %s", one)
	}
}

// TestReleasesShareNoObject except the CustomResourceDefinition, also if they have one name in two namespaces.
func TestReleasesShareNoObject(t *testing.T) {
	t.Parallel()
	names := func(release, namespace string) map[string]bool {
		output, err := tool(t, "helm@v4", append([]string{"template", release, chartDir, "--namespace", namespace}, served...)...)
		if err != nil {
			t.Fatal(output)
		}
		found := map[string]bool{}
		for key, object := range parse(t, output) {
			if object.GetKind() != "CustomResourceDefinition" {
				found[key+" in "+object.GetNamespace()] = true
			}
		}
		return found
	}
	elsewhere, beside := names(release, "other"), names("other", "records")
	for key := range names(release, "records") {
		if elsewhere[key] || beside[key] {
			t.Errorf("two releases have %s", key)
		}
	}
}

// fullname returns the prefix of the objects' names.
func fullname(t *testing.T, override string) string {
	t.Helper()
	deployments := kinds(render(t, "--set", "fullnameOverride="+override), "Deployment")
	return strings.TrimSuffix(deployments[0], "-controller")
}

// TestControllerRights compares the controller's rights with those that are generated from its markers. For the leader
// election, it may use only its own Lease.
func TestControllerRights(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(root + "/config/rbac/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := rights(t, parse(t, string(content)))
	for _, namespace := range []string{"", "declarations"} {
		objects := render(t, "--set", "rbac.people=false", "--set", "controller.watchNamespace="+namespace)
		if diff := cmp.Diff(want, rights(t, objects)); diff != "" {
			t.Errorf("watching %q: generated (-), chart (+):\n%s", namespace, diff)
		}
		if clusterRoles := len(kinds(objects, "ClusterRole")) + len(kinds(objects, "ClusterRoleBinding")); (clusterRoles == 0) != (namespace != "") {
			t.Errorf("watching %q: %d objects for the whole cluster", namespace, clusterRoles)
		}
	}
}

// rights returns the sorted group/resource/verb of all roles, except those of hooks.
func rights(t *testing.T, objects map[string]*unstructured.Unstructured) []string {
	t.Helper()
	var all []string
	for key, object := range objects {
		if kind := object.GetKind(); kind != "Role" && kind != "ClusterRole" || object.GetAnnotations()["helm.sh/hook"] != "" {
			continue
		}
		var role rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		for _, rule := range role.Rules {
			for _, verb := range rule.Verbs {
				all = append(all, rule.APIGroups[0]+"/"+rule.Resources[0]+"/"+verb)
			}
		}
	}
	slices.Sort(all)
	return all
}

// TestJobIsAnotherWhenItChanges: a changed Job needs a new name, because Kubernetes refuses to change it. A changed Redis must
// restart to read its file.
func TestJobIsAnotherWhenItChanges(t *testing.T) {
	t.Parallel()
	one := render(t)
	for set, want := range map[string]struct{ job, redis bool }{
		"server.replicas=5":                {false, false},
		"image.tag=v2":                     {true, false},
		"migrate.backoffLimit=3":           {true, false},
		"commonLabels.team=clinic":         {true, false},
		"redis.bundled.maxMemory=64mb":     {false, true},
		"postgresql.roles.worker=w":        {true, false},
		"admin.passwordKey=secret":         {true, false},
		"migrate.podAnnotations.team=mine": {true, false},
	} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			other := render(t, "--set", set)
			if changed := !slices.Equal(kinds(one, "Job"), kinds(other, "Job")); changed != want.job {
				t.Errorf("another Job: %v", changed)
			}
			const key = "Deployment/clinic-healthrecords-redis"
			before, after := pods(t, one)[key].Annotations, pods(t, other)[key].Annotations
			if changed := !maps.Equal(before, after); changed != want.redis {
				t.Errorf("another Redis pod: %v", changed)
			}
		})
	}
}
