package clinic_test

import (
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// TestEveryKindHasATextForEveryReader composes each kind of everything, and of nothing: what a reader may not see, or
// what is gone, is nil.
func TestEveryKindHasATextForEveryReader(t *testing.T) {
	t.Parallel()
	person := &clinic.Person{Username: "somebody", Name: clinic.Name{First: "Some", Last: "Body"}}
	everything := clinic.NotificationSubject{
		Patient: person, Doctor: person, Record: &clinic.RecordFields{Title: "Visit", Type: clinic.RecordCheckup},
	}
	for _, kind := range clinic.NotificationKinds() {
		if kind.Compose == nil {
			t.Errorf("%s has no Compose", kind.Type)
			continue
		}
		for _, subject := range []clinic.NotificationSubject{everything, {}} {
			for _, subject.Reader = range clinic.Roles() {
				title, message := kind.Compose(subject)
				if title == "" || !strings.HasSuffix(message, ".") {
					t.Errorf("%s for a %s: %q, %q; want a title and a sentence", kind.Type, subject.Reader, title, message)
				}
			}
		}
	}
}
