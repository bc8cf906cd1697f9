package clinic

// NotificationSubject is what the reader of a notification may know now. A
// nil part was deleted, or the reader may not see it. People are as they were known at the
// time of the event.
type NotificationSubject struct {
	Reader  Role
	Patient *Person
	Doctor  *Person
	Record  *RecordFields // Title and Type
	Account *Person       // the user whose account the notification is about
	Own     bool          // that account is the reader's
}

// Describe composes the title and the message for the reader. Both are empty for a kind that a
// later release wrote.
func (n *Notification) Describe(s NotificationSubject) {
	for _, kind := range NotificationKinds() {
		if kind.Type == n.Type {
			n.Title, n.Message = kind.Compose(s)
		}
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

func (s NotificationSubject) recordAdded() (title, message string) {
	const added = "New health record"
	switch {
	case s.Patient == nil:
		return added, "A health record was added by a patient you are no longer assigned to."
	case s.Record == nil:
		return added, s.Patient.FullName() + " added a health record that was deleted since."
	}
	return added, s.Patient.FullName() + ` added "` + s.Record.Title + `" (` + string(s.Record.Type) + ")."
}

func (s NotificationSubject) commentAdded() (title, message string) {
	if s.Record == nil {
		return "New comment", s.doctor() + " commented on a health record that was deleted since."
	}
	return "New comment", s.doctor() + ` commented on "` + s.Record.Title + `".`
}

func (s NotificationSubject) breakGlass() (title, message string) {
	whose := "your"
	if s.Reader != RolePatient {
		whose = "a patient's"
		if s.Patient != nil {
			whose = s.Patient.FullName() + "'s"
		}
	}
	return "Emergency access", s.doctor() + " opened emergency access to " + whose + " health records."
}

func (s NotificationSubject) selfAssigned() (title, message string) {
	whom := "a patient"
	if s.Patient != nil {
		whom = s.Patient.FullName()
	}
	return "Self-assignment", s.doctor() + " assigned themselves to " + whom + "."
}

func (s NotificationSubject) resetCodeIssued() (title, message string) {
	message = "A one-time code was issued with which a new password can be set for " + s.account() + "."
	if s.Own {
		message += " If you did not ask for it, contact an administrator and change your password, which makes the code useless."
	}
	return "Code for a new password", message
}

func (s NotificationSubject) resetCodesIssued() (title, message string) {
	return "Codes for new passwords", "A command on a server issued one-time codes for the accounts that had no password."
}

func (s NotificationSubject) passwordReset() (title, message string) {
	message = "A new password was set for " + s.account() + " without the old one, and all its sessions ended."
	if s.Own {
		message += " If it was not you, contact an administrator."
	}
	return "New password", message
}

func (s NotificationSubject) secondFactorReset() (title, message string) {
	message = "The second factor of " + s.account() + " was removed, and all its sessions ended."
	if s.Own {
		message += " Set it up again; if you did not ask for this, contact an administrator."
	}
	return "Second factor removed", message
}

func (s NotificationSubject) account() string {
	switch {
	case s.Own:
		return "your account"
	case s.Account == nil:
		return "an account"
	}
	return "the account of " + s.Account.FullName() + " (" + s.Account.Username + ")"
}

func (s NotificationSubject) registered() (title, message string) {
	return "New doctor", s.doctor() + " registered. Their license waits for verification."
}

func (s NotificationSubject) nameRequested() (title, message string) {
	return "New name", s.doctor() + " requested a new name. It waits for approval."
}

func (s NotificationSubject) verified() (title, message string) {
	return "License verified", "Your license was verified. You can now be assigned to patients."
}

func (s NotificationSubject) unverified() (title, message string) {
	const lost = "License no longer verified"
	if s.Reader == RoleDoctor {
		return lost, "Your license is no longer verified. You see no patients until an administrator verifies it."
	}
	return lost, "The license of " + s.doctor() + " is no longer verified."
}

func (s NotificationSubject) erasureRequested() (title, message string) {
	return "Erasure requested", "Somebody requested that all data behind " + s.account() + " be erased. An administrator who did not request it has to confirm it."
}

func (s NotificationSubject) doctor() string {
	if s.Doctor == nil {
		return "A doctor"
	}
	return "Dr. " + s.Doctor.Signature()
}
