package clinic_test

import (
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

func TestOnlyTheControllersRowsTellAKubernetesUser(t *testing.T) {
	t.Parallel()
	for _, user := range []string{"alice", "system:serviceaccount:flux-system:kustomize-controller", "kubernetes:", ""} {
		if got := clinic.RequesterOf(clinic.ActorController, clinic.RequestOfController(user)); got != user {
			t.Errorf("%q is read as %q", user, got)
		}
	}
	for _, role := range []clinic.Role{clinic.RoleAdmin, clinic.RoleDoctor, clinic.RolePatient, clinic.ActorCommand} {
		if got := clinic.RequesterOf(role, clinic.RequestOfController("alice")); got != "" {
			t.Errorf("a request id that a %s chose is read as the user %q", role, got)
		}
	}
	if got := clinic.RequesterOf(clinic.ActorController, "0f8c2a51"); got != "" {
		t.Errorf("an ordinary request id is read as the user %q", got)
	}
}
