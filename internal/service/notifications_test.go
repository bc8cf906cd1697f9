package service_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// handleAll handles every open event.
func (f fixture) handleAll(t testing.TB) {
	t.Helper()
	for _, e := range testkit.Value(f.Outbox.Claim(t.Context(), 100, time.Minute))(t) {
		if err := f.handle(t.Context(), e.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// newestOf returns the caller's newest notification of the kind.
func (f fixture) newestOf(t testing.TB, as clinic.Caller, kind clinic.NotificationType) clinic.Notification {
	t.Helper()
	for _, n := range testkit.Value(f.Notifications.List(t.Context(), as, clinic.NotificationFilter{}, clinic.PageRequest{}))(t).Items {
		if n.Type == kind {
			return n
		}
	}
	t.Fatalf("no notification %s", kind)
	return clinic.Notification{}
}

// newest returns the caller's newest notification.
func (f fixture) newest(t testing.TB, as clinic.Caller) clinic.Notification {
	t.Helper()
	page := testkit.Value(f.Notifications.List(t.Context(), as, clinic.NotificationFilter{}, clinic.PageRequest{}))(t)
	if len(page.Items) == 0 {
		t.Fatal("no notification")
	}
	return page.Items[0]
}

// TestNotificationTextFollowsTheReadersRights composes each text before and
// after the reader loses access to its subject.
func TestNotificationTextFollowsTheReadersRights(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		happen func(*testing.T, fixture, care)
		reader func(care) clinic.Caller
		before string
		change string
		after  string
		ids    func(before clinic.Notification) clinic.Notification // the ids that are left
	}{
		"record, assignment ended": {
			happen: createRecord, reader: care.asDoctor,
			before: `John Doe added "Annual Physical" (CHECKUP).`,
			change: `UPDATE assignments SET ends_at = now()`,
			after:  `A health record was added by a patient you are no longer assigned to.`,
		},
		"record, doctor not verified": {
			happen: createRecord, reader: care.asDoctor,
			before: `John Doe added "Annual Physical" (CHECKUP).`,
			change: `UPDATE doctor_profiles SET verified_at = NULL`,
			after:  `A health record was added by a patient you are no longer assigned to.`,
		},
		"record, deleted": {
			happen: createRecord, reader: care.asDoctor,
			before: `John Doe added "Annual Physical" (CHECKUP).`,
			change: `DELETE FROM health_records`,
			after:  `John Doe added a health record that was deleted since.`,
			ids:    func(b clinic.Notification) clinic.Notification { return clinic.Notification{PatientID: b.PatientID} },
		},
		"assignment, to the doctor": {
			happen: assignStranger, reader: care.asStranger,
			before: `You are now assigned to John Doe.`,
			change: `UPDATE assignments SET ends_at = now()`,
			after:  `You were assigned to a patient you are no longer assigned to.`,
			ids: func(b clinic.Notification) clinic.Notification {
				return clinic.Notification{AssignmentID: b.AssignmentID, DoctorID: b.DoctorID}
			},
		},
		"assignment, to the patient": {
			happen: assignStranger, reader: care.asPatient,
			before: `Dr. Ada (user3, license LIC000003) is now assigned to you.`,
			change: `UPDATE assignments SET ends_at = now()`,
			after:  `Dr. Ada (user3, license LIC000003) is now assigned to you.`,
			ids:    func(b clinic.Notification) clinic.Notification { return b },
		},
		"comment, record deleted": {
			happen: addComment, reader: care.asPatient,
			before: `Dr. Jane Smith (user2, license LIC000002) commented on "Annual Physical".`,
			change: `DELETE FROM health_records`,
			after:  `Dr. Jane Smith (user2, license LIC000002) commented on a health record that was deleted since.`,
			ids: func(b clinic.Notification) clinic.Notification {
				return clinic.Notification{PatientID: b.PatientID, DoctorID: b.DoctorID}
			},
		},
		"code for a new password, to the user": {
			happen: issueCode, reader: care.asPatient,
			before: "A one-time code was issued with which a new password can be set for your account. If you did not ask for it, " +
				"contact an administrator and change your password, which makes the code useless.",
			change: `DELETE FROM reset_codes`,
			after: "A one-time code was issued with which a new password can be set for your account. If you did not ask for it, " +
				"contact an administrator and change your password, which makes the code useless.",
			ids: func(b clinic.Notification) clinic.Notification { return b },
		},
		"code for a new password, to an administrator": {
			happen: issueCode, reader: func(c care) clinic.Caller {
				return testkit.CallerOf(clinic.User{ID: c.patient.User.ID + watching, Role: clinic.RoleAdmin})
			},
			before: "A one-time code was issued with which a new password can be set for the account of John Doe (user1).",
			change: `UPDATE users SET first_name = 'Jack' WHERE username = 'user1'`,
			after:  "A one-time code was issued with which a new password can be set for the account of John Doe (user1).",
			ids:    func(b clinic.Notification) clinic.Notification { return b },
		},
		"comment, private since": {
			happen: addComment, reader: care.asPatient,
			before: `Dr. Jane Smith (user2, license LIC000002) commented on "Annual Physical".`,
			change: `UPDATE doctor_comments SET is_private = true`,
			after:  `Dr. Jane Smith (user2, license LIC000002) commented on "Annual Physical".`,
			ids: func(b clinic.Notification) clinic.Notification {
				b.CommentID = 0
				return b
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := f.care()
			f.db.Exec(`UPDATE users SET first_name = 'Ada', last_name = '' WHERE id = $1`, c.stranger.User.ID)
			test.happen(t, f, c)
			f.handleAll(t)
			before := f.newest(t, test.reader(c))
			if before.Message != test.before {
				t.Errorf("message = %q, want %q", before.Message, test.before)
			}
			f.db.Exec(test.change)
			after := f.newest(t, test.reader(c))
			if after.Message != test.after {
				t.Errorf("afterwards: message = %q, want %q", after.Message, test.after)
			}
			want := clinic.Notification{}
			if test.ids != nil {
				want = test.ids(before)
			}
			want.ID, want.Type, want.CreatedAt, want.Title, want.Message = after.ID, before.Type, before.CreatedAt, before.Title, test.after
			if diff := cmp.Diff(want, after); diff != "" {
				t.Errorf("wanted (-) and got (+) differ:\n%s", diff)
			}
		})
	}
}

func TestNotificationIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	comment := testkit.Value(f.Comments.Add(t.Context(), c.asDoctor(), c.record.ID, "fine", false, noKey))(t)
	f.handleAll(t)
	n := f.newest(t, c.asPatient())
	want := clinic.Notification{
		ID: n.ID, Type: clinic.NotifyCommentAdded, Title: "New comment", Message: n.Message, CreatedAt: n.CreatedAt,
		PatientID: c.patient.ID, DoctorID: c.doctor.ID, RecordID: c.record.ID, CommentID: comment.ID,
	}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Errorf("wanted (-) and got (+) differ:\n%s", diff)
	}
}

func TestReadNotifications(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	for range 3 {
		createRecord(t, f, c)
	}
	f.handleAll(t)
	yes, no := true, false
	count := func(filter clinic.NotificationFilter, want int) []clinic.Notification {
		t.Helper()
		page := testkit.Value(f.Notifications.List(t.Context(), c.asDoctor(), filter, clinic.PageRequest{}))(t)
		if page.Total != want || len(page.Items) != want {
			t.Errorf("%d of %d notifications, want %d", len(page.Items), page.Total, want)
		}
		return page.Items
	}
	all := count(clinic.NotificationFilter{}, 3)
	for range 2 {
		n := testkit.Value(f.Notifications.MarkRead(t.Context(), c.asDoctor(), all[1].ID))(t)
		if n.ID != all[1].ID || !n.Read || n.Message == "" {
			t.Errorf("notification = %+v", n)
		}
	}
	count(clinic.NotificationFilter{Read: &no}, 2)
	count(clinic.NotificationFilter{Read: &yes}, 1)
	for name, as := range map[string]clinic.Caller{"another doctor": c.asStranger(), "patient": c.asPatient()} {
		_, err := f.Notifications.MarkRead(t.Context(), as, all[0].ID)
		if got := clinic.CodeOf(err); got != clinic.CodeNotFound {
			t.Errorf("%s: code = %q, want not_found", name, got)
		}
		if n := testkit.Value(f.Notifications.MarkAllRead(t.Context(), as, noKey))(t); n != 0 {
			t.Errorf("%s marked %d as read", name, n)
		}
	}
	count(clinic.NotificationFilter{Read: &no}, 2)
	key := clinic.Idempotency{Key: "k", Operation: "readAll", Hash: []byte("hash")}
	for range 2 {
		if n := testkit.Value(f.Notifications.MarkAllRead(t.Context(), c.asDoctor(), key))(t); n != 2 {
			t.Errorf("marked %d, want 2 and the same answer again", n)
		}
	}
	count(clinic.NotificationFilter{Read: &no}, 0)
}

func TestNotificationsPageBothWays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.db.Exec(`INSERT INTO notifications (recipient_id, event_id, type, patient_id)
		SELECT $1, i, 'NEW_RECORD', $2 FROM generate_series(1, 7) i`, c.doctor.User.ID, c.patient.ID)
	f.db.Exec(`INSERT INTO notifications (recipient_id, event_id, type) VALUES ($1, 1, 'NEW_RECORD')`, c.stranger.User.ID)
	at := &clinic.Cursor{Keyset: true}
	var forward, back []int64
	var last clinic.Page[clinic.Notification]
	for at != nil {
		last = testkit.Value(f.Notifications.List(t.Context(), c.asDoctor(), clinic.NotificationFilter{}, clinic.PageRequest{Size: 3, Cursor: *at}))(t)
		if last.Total != 7 {
			t.Errorf("total = %d, want 7", last.Total)
		}
		for _, n := range last.Items {
			forward = append(forward, n.ID)
		}
		at = last.Next
	}
	for at = last.Previous; at != nil; {
		page := testkit.Value(f.Notifications.List(t.Context(), c.asDoctor(), clinic.NotificationFilter{}, clinic.PageRequest{Size: 3, Cursor: *at}))(t)
		var ids []int64
		for _, n := range page.Items {
			ids = append(ids, n.ID)
		}
		back = append(ids, back...)
		at = page.Previous
	}
	if want := []int64{7, 6, 5, 4, 3, 2, 1}; !cmp.Equal(forward, want) || !cmp.Equal(back, want[:6]) {
		t.Errorf("forward %v, back %v, want %v and its first six", forward, back, want)
	}
}
