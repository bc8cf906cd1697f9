package settings

import (
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// TestSettingsTakeWhatTheClinicDeclares: this package imports no other package of the project,
// and repeats such words.
func TestSettingsTakeWhatTheClinicDeclares(t *testing.T) {
	t.Parallel()
	var roles []string
	for _, role := range clinic.Roles() {
		roles = append(roles, string(role))
	}
	all := environ("TOTP_REQUIRED_ROLES", strings.Join(roles, ","), "TOTP_KEY", strings.Repeat("k", 24))
	if err := load(all, &Server{}); err != nil {
		t.Error(err)
	}
	for _, terms := range clinic.SelfAssignmentTerms() {
		if err := load(environ("DOCTOR_SELF_ASSIGNMENT", string(terms)), &Server{}); err != nil {
			t.Errorf("%s: %v", terms, err)
		}
	}
}
