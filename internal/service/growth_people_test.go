package service_test

import (
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func (w town) checkPeople(t *testing.T) {
	t.Helper()
	counted := map[string]int{"patient_profiles": 2 * townPatients, "users": 2 * townPatients}
	for search, limits := range map[string]map[string]int{"": counted, "towns": counted, "towns1234": nil, "nobody": nil} {
		pages[clinic.Patient]{w, "Patients.List", "search " + search, w.admin, limits, func(page clinic.PageRequest) (clinic.Page[clinic.Patient], error) {
			return w.server.Patients.List(t.Context(), w.admin, search, page)
		}}.checkAll(t)
	}
	w.checkUsers(t)
	waiting := map[string]int{"erasures_pkey": 2 * townPatients, "erasures": 2*townPatients + few} // counted up to the limit
	pages[clinic.Erasure]{w, "Erasures.List", "all", w.admin, waiting, func(page clinic.PageRequest) (clinic.Page[clinic.Erasure], error) {
		return w.server.Erasures.List(t.Context(), w.admin, page)
	}}.checkAll(t)
	no := false
	doctors := 2*(townDoctors+retiredDoctors) + few // found and counted
	all := map[string]int{"doctor_profiles": doctors, "users": doctors}
	for name, caller := range map[string]clinic.Caller{"patient": w.chronic, "administrator": w.admin} {
		for narrowed, filter := range map[string]clinic.DoctorFilter{"all": {}, "search": {Search: "doctor12"}, "unverified": {Verified: &no}, "renaming": {Renaming: true}} {
			if w.tries(filter); filter.Renaming && caller != w.admin {
				continue // is refused
			}
			pages[clinic.Doctor]{w, "Doctors.List", name + ", " + narrowed, caller, all, func(page clinic.PageRequest) (clinic.Page[clinic.Doctor], error) {
				return w.server.Doctors.List(t.Context(), caller, filter, page)
			}}.checkAll(t)
		}
	}
	for name, caller := range map[string]clinic.Caller{"many patients": w.busy, "many records": w.quiet} {
		// The policies look up the patient of each row on the page.
		limits := map[string]int{"assignments": 20 * pageRows}
		pages[clinic.PatientSummary]{w, "Patients.OfDoctor", name, caller, limits, func(page clinic.PageRequest) (clinic.Page[clinic.PatientSummary], error) {
			return w.server.Patients.OfDoctor(t.Context(), caller, page)
		}}.checkAll(t)
	}
}

func (w town) checkUsers(t *testing.T) {
	t.Helper()
	no := false
	everybody := map[string]int{"users": 2 * (townPatients + townDoctors + retiredDoctors), "users_role_idx": 2 * (townPatients + townDoctors + retiredDoctors)}
	for name, by := range map[string]struct {
		filter clinic.UserFilter
		limits map[string]int
	}{
		"all": {clinic.UserFilter{}, everybody}, "patients": {clinic.UserFilter{Role: clinic.RolePatient}, everybody},
		"administrators": {clinic.UserFilter{Role: clinic.RoleAdmin}, nil}, "unverified doctors": {clinic.UserFilter{Verified: &no}, nil}, "disabled": {clinic.UserFilter{Active: &no}, nil},
		"found": {clinic.UserFilter{Search: "towns1234"}, nil}, "nobody": {clinic.UserFilter{Search: "nobody"}, nil},
	} {
		w.tries(by.filter)
		pages[clinic.ListedUser]{w, "Users.List", name, w.admin, by.limits, func(page clinic.PageRequest) (clinic.Page[clinic.ListedUser], error) {
			return w.server.Users.List(t.Context(), w.admin, by.filter, page)
		}}.checkAll(t)
	}
}

func (w town) checkNotifications(t *testing.T) {
	t.Helper()
	yes, no := true, false
	// The generic plans, which store.Open asks for, read the page only; planned for this reader, it may be cheaper to sort all.
	many := map[string]int{"notifications": 3 * toldOfBusy, "notifications_recipient_idx": toldOfBusy}
	listener := testkit.CallerOf(clinic.User{ID: int64(w.db.Count(`SELECT user_id FROM patient_profiles WHERE id = $1`, w.somebody)), Role: clinic.RolePatient})
	for name, who := range map[string]struct {
		caller clinic.Caller
		limits map[string]int
	}{"many": {w.busy, many}, "few": {listener, nil}} {
		for filtered, filter := range map[string]clinic.NotificationFilter{"all": {}, "read": {Read: &yes}, "unread": {Read: &no}} {
			w.tries(filter)
			pages[clinic.Notification]{w, "Notifications.List", name + ", " + filtered, who.caller, who.limits, func(page clinic.PageRequest) (clinic.Page[clinic.Notification], error) {
				return w.server.Notifications.List(t.Context(), who.caller, filter, page)
			}}.checkAll(t)
		}
	}
	one := int64(w.db.Count(`SELECT max(id) FROM notifications WHERE recipient_id = $1`, w.busy.UserID))
	w.check(t, "reading one notification", w.busy, nil, func() error {
		_, err := w.server.Notifications.MarkRead(t.Context(), w.busy, one)
		return err
	})
	// The index still has notifications that were unread a moment ago.
	w.check(t, "reading all notifications, which are read", w.busy, map[string]int{"notifications_unread_idx": toldOfBusy}, func() error {
		_, err := w.server.Notifications.MarkAllRead(t.Context(), w.busy, clinic.Idempotency{})
		return err
	})
}

// checkOwn runs the lists that belong to one record, or to the caller.
func (w town) checkOwn(t *testing.T) {
	t.Helper()
	other := int64(w.db.Count(`SELECT min(id) FROM health_records WHERE patient_id = $1`, w.somebody))
	// The policies look up the record of each comment, and the patient of that record.
	many := map[string]int{"doctor_comments": 2 * said, "health_records": 2 * said, "assignments": 4 * said}
	for name, of := range map[string]struct {
		record int64
		limits map[string]int
	}{"many": {w.discussed, many}, "few": {other, nil}} {
		pages[clinic.Comment]{w, "Comments.List", name, w.quiet, of.limits, func(page clinic.PageRequest) (clinic.Page[clinic.Comment], error) {
			return w.server.Comments.List(t.Context(), w.quiet, of.record, page)
		}}.checkAll(t)
	}
	// Planned for a usual record, which has a few versions, the statements read all of the record.
	counted := map[string]int{
		"record_versions": 3 * changes, "record_versions_pkey": 3 * changes, "comment_versions": 2 * changes, "assignments": 12 * changes,
	}
	pages[clinic.RecordVersion]{w, "Records.Versions", "of a record that changed often", w.quiet, counted, func(page clinic.PageRequest) (clinic.Page[clinic.RecordVersion], error) {
		return w.server.Records.Versions(t.Context(), w.quiet, w.discussed, page)
	}}.checkAll(t)
	pages[clinic.CommentVersion]{w, "Comments.Versions", "of a comment that changed often", w.quiet, counted, func(page clinic.PageRequest) (clinic.Page[clinic.CommentVersion], error) {
		return w.server.Comments.Versions(t.Context(), w.quiet, w.corrected, page)
	}}.checkAll(t)
	mine := map[string]int{"sessions": 4 * logins, "sessions_user_id_idx": 2*logins + few} // half of all
	for name, who := range map[string]struct {
		caller clinic.Caller
		limits map[string]int
	}{"many": {w.chronic, mine}, "few": {w.busy, nil}} {
		pages[clinic.ActiveSession]{w, "Sessions.List", name, who.caller, who.limits, func(page clinic.PageRequest) (clinic.Page[clinic.ActiveSession], error) {
			return w.server.Sessions.List(t.Context(), who.caller, page)
		}}.checkAll(t)
	}
}

// checkForeign makes sure that the time until somebody is refused does not tell how many comments or versions a record has.
func (w town) checkForeign(t *testing.T) {
	t.Helper()
	for name, ask := range map[string]func(clinic.Caller) error{
		"get": func(who clinic.Caller) error {
			_, err := w.server.Records.Get(t.Context(), who, w.discussed)
			return err
		},
		"comments": func(who clinic.Caller) error {
			_, err := w.server.Comments.List(t.Context(), who, w.discussed, clinic.PageRequest{})
			return err
		},
		"versions": func(who clinic.Caller) error {
			_, err := w.server.Records.Versions(t.Context(), who, w.discussed, clinic.PageRequest{})
			return err
		},
		"version": func(who clinic.Caller) error {
			_, err := w.server.Records.Version(t.Context(), who, w.discussed, 2)
			return err
		},
		"texts": func(who clinic.Caller) error {
			_, err := w.server.Comments.Versions(t.Context(), who, w.corrected, clinic.PageRequest{})
			return err
		},
	} {
		for role, who := range map[string]clinic.Caller{"doctor": w.busy, "patient": w.chronic} {
			w.sent.all = nil
			if err := ask(who); clinic.CodeOf(err) != clinic.CodeNotFound {
				t.Fatalf("%s by a %s: %v, want the code %s", name, role, err, clinic.CodeNotFound)
			}
			for _, mode := range planModes() {
				const one = 2 // a row of the object itself, in each of two statements
				read := w.rowsRead(t, mode, who)
				if read["doctor_comments"]+read["comment_versions"]+read["record_versions"] > one {
					t.Errorf("%s by a %s, %s: rows of a record that they may not see are read: %v", name, role, mode, read)
				}
			}
		}
	}
}
