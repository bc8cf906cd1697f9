package kubectl

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestRightsThatTheDocsName checks the verbs that docs/kubectl.md names: each command works with these, and not without one.
func TestRightsThatTheDocsName(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.object(t, "primary-care", func(da *v1alpha1.DoctorAssignment) { ready(da, metav1.ConditionTrue, v1alpha1.ReasonAssigned, false) })
	clients := testkit.Value(kubernetes.NewForConfig(testkit.ControlPlane(t)))(t)
	roles := clients.RbacV1()
	grant := func(user string, verbs ...string) {
		role := &rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Name: user},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"healthrecords.io"}, Resources: []string{"doctorassignments"}, Verbs: verbs}},
		}
		_, err := roles.Roles(c.namespace).Create(t.Context(), role, metav1.CreateOptions{})
		testkit.Must(t, err)
		_, err = roles.RoleBindings(c.namespace).Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: user},
			Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: c.namespace + user}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		}, metav1.CreateOptions{})
		testkit.Must(t, err)
		for _, verb := range verbs { // the API server notices the rights a little later
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User: c.namespace + user, ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: c.namespace, Group: "healthrecords.io", Resource: "doctorassignments", Verb: verb,
				},
			}}
			testkit.Must(t, wait.PollUntilContextTimeout(t.Context(), time.Millisecond, testkit.Patience, true, func(ctx context.Context) (bool, error) {
				got, err := clients.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
				return err == nil && got.Status.Allowed, err
			}))
		}
	}
	tests := []struct {
		verbs, call string
	}{
		{"get,patch,create", "assign doctor1 patient1 --name=new"},
		{"get,patch", "assign doctor1 patient1 --name=new --reason=other"},
		{"get,patch,list,watch", "assign doctor1 patient1 --name=new --wait=1s"}, // no controller: it times out
		{"get", "why primary-care"},
		{"list", "who patient1"},
		{"list", "panel doctor1"},
	}
	for number, test := range tests {
		verbs := strings.Split(test.verbs, ",")
		for missing := range len(verbs) + 1 { // the last time, none is
			granted := strings.Split(test.verbs, ",")
			if missing < len(verbs) {
				granted = slices.Delete(granted, missing, missing+1)
			}
			user := fmt.Sprintf("user-%d-%d", number, missing)
			if len(granted) > 0 {
				grant(user, granted...)
			}
			got := c.run(t, append(strings.Fields(test.call), "--as", c.namespace+user)...)
			if forbidden := strings.Contains(got.stderr, "(Forbidden)"); forbidden != (missing < len(verbs)) {
				t.Errorf("%s with %v: %+v", test.call, granted, got)
			}
		}
	}
}
