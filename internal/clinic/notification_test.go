package clinic_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// TestEveryKindHasATextForEveryReader composes each kind of each choice of parts: what a reader may not see, or what is
// gone, is nil.
func TestEveryKindHasATextForEveryReader(t *testing.T) {
	t.Parallel()
	person := &clinic.Person{Username: "somebody", Name: clinic.Name{First: "Some", Last: "Body"}}
	record := &clinic.RecordFields{Title: "Visit", Type: clinic.RecordCheckup}
	for _, kind := range clinic.NotificationKinds() {
		if kind.Compose == nil {
			t.Errorf("%s has no Compose", kind.Type)
			continue
		}
		for _, patient := range []*clinic.Person{person, nil} {
			for _, doctor := range []*clinic.Person{person, nil} {
				for _, record := range []*clinic.RecordFields{record, nil} {
					for _, reader := range clinic.Roles() {
						wantText(t, kind, clinic.NotificationSubject{Reader: reader, Patient: patient, Doctor: doctor, Record: record})
					}
				}
			}
		}
	}
}

func wantText(t *testing.T, kind clinic.NotificationKind, subject clinic.NotificationSubject) {
	t.Helper()
	which := fmt.Sprintf("%s for a %s (patient nil: %t, doctor nil: %t, record nil: %t)",
		kind.Type, subject.Reader, subject.Patient == nil, subject.Doctor == nil, subject.Record == nil)
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s: its text must do without the parts that are nil: %v", which, p)
		}
	}()
	title, message := kind.Compose(subject)
	if title == "" || !strings.HasSuffix(message, ".") {
		t.Errorf("%s: %q, %q; want a title and a sentence", which, title, message)
	}
}

// TestKindsOfOneEventHaveDifferentRecipients, because a person gets one notification of an event
// (notifications_once): which of two kinds it is would be left to chance.
func TestKindsOfOneEventHaveDifferentRecipients(t *testing.T) {
	t.Parallel()
	type share struct {
		event clinic.EventType
		to    clinic.Recipients
	}
	seen := map[share]clinic.NotificationType{}
	for _, kind := range clinic.NotificationKinds() {
		for _, to := range kind.Recipients {
			s := share{kind.Event, to}
			if to == clinic.ToDoctor {
				s.to = clinic.ToCareTeam // whom the doctor may belong to
			}
			if other, is := seen[s]; is && other != kind.Type {
				t.Errorf("%s and %s share recipients of %s, and a person gets only one notification of an event", other, kind.Type, kind.Event)
			}
			seen[s] = kind.Type
		}
	}
}
