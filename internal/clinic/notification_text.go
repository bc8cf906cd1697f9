package clinic

// NotificationSubject is what the reader of a notification may be told now. A
// nil part is gone, or is not for them to see. People are as they were known when
// it happened.
type NotificationSubject struct {
	Reader  Role
	Patient *Person
	Doctor  *Person
	Record  *RecordFields // Title and Type
}

// Describe composes the title and the message for the reader.
func (n *Notification) Describe(s NotificationSubject) {
	switch n.Type {
	case NotifyPatientAssigned:
		n.Title, n.Message = s.assigned()
	case NotifyNewRecord:
		n.Title, n.Message = "New health record", s.recordAdded()
	case NotifyCommentAdded:
		n.Title, n.Message = "New comment", s.commentAdded()
	case NotifyBreakGlass:
		n.Title, n.Message = "Emergency access", s.breakGlass()
	case NotifySelfAssigned:
		n.Title, n.Message = "Self-assignment", s.selfAssigned()
	}
}

func (s NotificationSubject) assigned() (title, message string) {
	if s.Reader == RolePatient {
		return "New doctor", s.doctor() + " is now assigned to you."
	}
	if s.Patient == nil {
		return "New patient", "You were assigned to a patient you are no longer assigned to."
	}
	return "New patient", "You are now assigned to " + s.Patient.FullName() + "."
}

func (s NotificationSubject) recordAdded() string {
	switch {
	case s.Patient == nil:
		return "A health record was added by a patient you are no longer assigned to."
	case s.Record == nil:
		return s.Patient.FullName() + " added a health record that was deleted since."
	}
	return s.Patient.FullName() + ` added "` + s.Record.Title + `" (` + string(s.Record.Type) + ")."
}

func (s NotificationSubject) commentAdded() string {
	if s.Record == nil {
		return s.doctor() + " commented on a health record that was deleted since."
	}
	return s.doctor() + ` commented on "` + s.Record.Title + `".`
}

func (s NotificationSubject) breakGlass() string {
	whose := "your"
	if s.Reader != RolePatient {
		whose = "a patient's"
		if s.Patient != nil {
			whose = s.Patient.FullName() + "'s"
		}
	}
	return s.doctor() + " opened emergency access to " + whose + " health records."
}

func (s NotificationSubject) selfAssigned() string {
	whom := "a patient"
	if s.Patient != nil {
		whom = s.Patient.FullName()
	}
	return s.doctor() + " assigned themselves to " + whom + "."
}

func (s NotificationSubject) doctor() string {
	if s.Doctor == nil {
		return "A doctor"
	}
	return "Dr. " + s.Doctor.Signature()
}
