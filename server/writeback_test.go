package server_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

const profilePath = "/api/auth/profile/"

// owned are the objects that people can read and change.
type owned struct {
	*setup
	objects map[string]call // by a name; GET reads the object
}

// newOwned is a clinic with objects of each role. Some texts were stored before the present rules.
func newOwned(t *testing.T) owned {
	t.Helper()
	s := newSetup(t)
	db := testkit.NewFactory(t, s.database)
	s.comment(true)
	s.comment(false)
	s.want(http.StatusOK, call{method: patch, path: profilePath, token: s.patient.token, body: map[string]any{
		"patient_profile": map[string]any{"date_of_birth": "1980-02-29", "blood_type": "A+", "address": "1 Main Street\nSpringfield", "emergency_contact": "Mary"},
	}})
	s.want(http.StatusOK, call{method: patch, path: profilePath, token: s.doctor.token, body: map[string]any{"last_name": "Miller"}}) // pending
	old := s.world.doctor(s.admin, "old")
	db.Exec(`UPDATE users SET first_name = E'Eve\u202e', email = 'none', phone_number = 'ask' WHERE id = $1`, old.userID)
	db.Exec(`UPDATE doctor_profiles SET license_number = '№ ca_1', specialization = E'a\u0007' WHERE user_id = $1`, old.userID)
	oldRecord := fmt.Sprintf("/api/health-records/%d/", s.world.record(s.patient))
	db.Exec(`UPDATE health_records SET title = E'a\u0007', visit_date = '1066-10-14', symptoms = E'b\u0007' WHERE '/api/health-records/' || id || '/' = $1`, oldRecord)
	return owned{setup: s, objects: map[string]call{
		"a patient's profile":            {path: profilePath, token: s.patient.token},
		"a doctor's profile":             {path: profilePath, token: s.doctor.token},
		"an unverified doctor's profile": {path: profilePath, token: s.register("new", "DOCTOR").token},
		"a profile of before":            {path: profilePath, token: old.token},
		"an administrator's profile":     {path: profilePath, token: s.admin.token},
		"a record with comments":         {path: s.record, token: s.patient.token},
		"a record with texts of before":  {path: oldRecord, token: s.patient.token},
	}}
}

// shown is an object without the time of its last change.
func (o owned) shown(c call) map[string]any {
	o.t.Helper()
	c.method = get
	object := o.want(http.StatusOK, c)
	delete(object, "updated_at")
	return object
}

// TestWhatIsReadCanBeWrittenBack as it is, by PUT and by PATCH.
func TestWhatIsReadCanBeWrittenBack(t *testing.T) {
	t.Parallel()
	o := newOwned(t)
	for name, object := range o.objects {
		before := o.shown(object)
		for _, method := range []string{put, patch} {
			c := object
			c.method, c.body = method, before
			o.want(http.StatusOK, c)
			if diff := cmp.Diff(before, o.shown(object)); diff != "" {
				t.Errorf("%s of %s changed it (-before +after)\n%s", method, name, diff)
			}
		}
	}
}

// TestOneFieldOfWhatIsReadCanBeChanged, though other texts would be refused today.
func TestOneFieldOfWhatIsReadCanBeChanged(t *testing.T) {
	t.Parallel()
	o := newOwned(t)
	for name, object := range o.objects {
		for _, method := range []string{put, patch} {
			field := "phone_number"
			if object.path != profilePath {
				field = "title"
			}
			want := o.shown(object)
			want[field] = "+49 30 " + fmt.Sprint(len(method))
			c := object
			c.method, c.body = method, want
			o.want(http.StatusOK, c)
			if diff := cmp.Diff(want, o.shown(object)); diff != "" {
				t.Errorf("%s of %s (-want +got)\n%s", method, name, diff)
			}
		}
	}
}

// TestAReadCommentCanBeWrittenBack by its author: only its text changes.
func TestAReadCommentCanBeWrittenBack(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.comment(true)
	list := call{method: get, path: s.record + "comments/", token: s.doctor.token}
	want := dig[map[string]any](t, s.want(http.StatusOK, list), "results", 0)
	path := fmt.Sprintf("/api/comments/%v/", want["id"])
	want["comment"] = "Better."
	sent := maps.Clone(want)
	sent["doctor"], sent["created_at"] = canary, nil
	s.want(http.StatusOK, call{method: patch, path: path, token: s.doctor.token, body: sent})
	got := dig[map[string]any](t, s.want(http.StatusOK, list), "results", 0)
	delete(got, "updated_at")
	delete(want, "updated_at")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the comment (-want +got)\n%s", diff)
	}
}

// TestIgnoredFieldsChangeNothing, whatever they hold. The document marks them.
func TestIgnoredFieldsChangeNothing(t *testing.T) {
	t.Parallel()
	o := newOwned(t)
	ignored := map[string][]string{
		profilePath: {"id", "username", "user_type"}, o.record: {"id", "patient", "created_by", "doctor_comments", "created_at", "updated_at"},
	}
	nested := map[string][]string{"patient_profile": {"id"}, "doctor_profile": {"id", "is_verified", "pending_name"}}
	for name, object := range o.objects {
		before := o.shown(object)
		path := profilePath
		if object.path != profilePath {
			path = o.record
		}
		for _, value := range []any{canary, 7, nil, []any{canary}, map[string]any{canary: canary}} {
			body := maps.Clone(before)
			for _, field := range ignored[path] {
				body[field] = value
			}
			for outer, fields := range nested {
				inner, has := before[outer].(map[string]any)
				if !has {
					continue
				}
				changed := maps.Clone(inner)
				for _, field := range fields {
					changed[field] = value
				}
				body[outer] = changed
			}
			for _, method := range []string{put, patch} {
				c := object
				c.method, c.body = method, body
				if got := o.do(c); got.status != http.StatusOK || strings.Contains(string(got.body), canary) {
					t.Errorf("%s of %s answered %d: %s", method, name, got.status, got.body)
				}
			}
		}
		if diff := cmp.Diff(before, o.shown(object)); diff != "" {
			t.Errorf("%s changed (-before +after)\n%s", name, diff)
		}
	}
	for _, name := range []string{"ProfileReplacement", "ProfileChange", "PatientProfileChange", "DoctorProfileChange", "RecordReplacement", "RecordPatch"} {
		answer := map[string]string{"P": "PatientProfile", "D": "DoctorProfile", "R": "HealthRecord"}[name[:1]]
		if strings.HasPrefix(name, "Profile") {
			answer = "Profile"
		}
		schemas := o.contract.document.Components.Schemas
		for field := range schemas[answer].Value.Properties {
			property := schemas[name].Value.Properties[field]
			if property == nil {
				t.Errorf("%s of %s cannot be sent back", field, name)
			}
		}
		marked := 0
		for _, property := range schemas[name].Value.Properties {
			if property.Value.ReadOnly {
				marked++
			}
		}
		if marked == 0 {
			t.Errorf("%s marks no field as readOnly", name)
		}
	}
}

// TestProfilesNest: the fields of a role can be sent in their object or outside of it.
func TestProfilesNest(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	send := func(p person, body map[string]any) answer {
		return s.do(call{method: patch, path: profilePath, token: p.token, body: body})
	}
	type object = map[string]any
	for name, test := range map[string]struct {
		who  person
		body object
		want object // errors by field; nil: 200
	}{
		"nested":             {s.patient, object{"patient_profile": object{"blood_type": "O+"}}, nil},
		"flat":               {s.patient, object{"blood_type": "O+"}, nil},
		"both, the same":     {s.patient, object{"blood_type": "O+", "patient_profile": object{"blood_type": "O+"}}, nil},
		"an empty object":    {s.patient, object{"doctor_profile": object{}}, nil},
		"null":               {s.patient, object{"doctor_profile": nil, "patient_profile": nil}, nil},
		"both":               {s.patient, object{"blood_type": "O-", "patient_profile": object{"blood_type": "O+"}}, object{"patient_profile.blood_type": "this field was also sent outside of patient_profile, with another value; send it once"}},
		"null and a value":   {s.patient, object{"address": nil, "patient_profile": object{"address": ""}}, object{"patient_profile.address": "this field was also sent outside of patient_profile, with another value; send it once"}},
		"of a doctor":        {s.patient, object{"doctor_profile": object{"license_number": "CA-1"}, "specialization": "x"}, object{"doctor_profile.license_number": "only doctors have this field; leave it out", "specialization": "only doctors have this field; leave it out"}},
		"of a patient":       {s.doctor, object{"patient_profile": object{"address": "x"}}, object{"patient_profile.address": "only patients have this field; leave it out"}},
		"a wrong nested one": {s.patient, object{"patient_profile": object{"blood_type": "C", "date_of_birth": "x"}}, object{"patient_profile.blood_type": "use one of A+, A-, B+, B-, AB+, AB-, O+, O-", "patient_profile.date_of_birth": "must be a day such as 1980-02-29, or null"}},
		"a taken number":     {s.world.doctor(s.admin, "other"), object{"doctor_profile": object{"license_number": "DOC000001"}}, object{"doctor_profile.license_number": "this license number is already registered"}},
	} {
		got := send(test.who, test.body)
		if diff := cmp.Diff(test.want, faultsOf(t, got)); diff != "" {
			t.Errorf("%s is answered %d %s (-want +got)\n%s", name, got.status, got.body, diff)
		}
	}
	got := s.want(http.StatusOK, call{method: get, path: profilePath, token: s.patient.token})
	if blood := dig[string](t, got, "patient_profile", "blood_type"); blood != "O+" {
		t.Errorf("blood_type = %q", blood)
	}
}

// TestProfilesHaveETags that follow everything that a profile shows.
func TestProfilesHaveETags(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	read := func(p person) string {
		return s.do(call{method: get, path: profilePath, token: p.token}).header.Get("ETag")
	}
	verify := "/api/doctors/" + fmt.Sprint(s.doctor.profile) + "/verify/"
	steps := []struct {
		name string
		who  person
		call call
	}{
		{"email", s.patient, call{method: patch, path: profilePath, token: s.patient.token, body: map[string]any{"email": "new@example.com"}}},
		{"blood type", s.patient, call{method: patch, path: profilePath, token: s.patient.token, body: map[string]any{"blood_type": "O+"}}},
		{"experience", s.doctor, call{method: patch, path: profilePath, token: s.doctor.token, body: map[string]any{"years_of_experience": 9}}},
		{"pending name", s.doctor, call{method: patch, path: profilePath, token: s.doctor.token, body: map[string]any{"last_name": "Miller"}}},
		{"approved name", s.doctor, call{method: post, path: verify, token: s.admin.token, body: map[string]any{}}},
		{"verification", s.doctor, call{method: post, path: verify, token: s.admin.token, body: map[string]any{"is_verified": false}}},
		{"phone", s.admin, call{method: patch, path: profilePath, token: s.admin.token, body: map[string]any{"phone_number": "+1234567890"}}},
	}
	for _, step := range steps {
		before := read(step.who)
		changed := s.do(step.call)
		now := read(step.who)
		if changed.status != http.StatusOK || before == "" || now == before {
			t.Errorf("%s: the answer is %d, and the ETag %s, was %s", step.name, changed.status, now, before)
		}
		if tag := changed.header.Get("ETag"); step.call.path == profilePath && tag != now {
			t.Errorf("%s: the answer has the ETag %s, then it is %s", step.name, tag, now)
		}
		stale := call{method: patch, path: profilePath, token: step.who.token, body: map[string]any{"phone_number": "+49 30 1"}}
		for _, tag := range []string{before, "W/" + now, `"x"`} {
			stale.header = map[string]string{"If-Match": tag}
			if got := s.do(stale); got.status != http.StatusPreconditionFailed || read(step.who) != now {
				t.Errorf("%s: a change with If-Match: %s is answered %d", step.name, tag, got.status)
			}
		}
		same := s.do(call{method: get, path: profilePath, token: step.who.token, header: map[string]string{"If-None-Match": now}})
		if same.status != http.StatusNotModified || len(same.body) > 0 || same.header.Get("ETag") != now {
			t.Errorf("%s: If-None-Match is answered %d %s", step.name, same.status, same.body)
		}
	}
}

// TestOneOfTwoWritersWins if both send the ETag that they have read.
func TestOneOfTwoWritersWins(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	for _, who := range []person{s.patient, s.doctor, s.admin} {
		for round := range 10 {
			tag := s.do(call{method: get, path: profilePath, token: who.token}).header.Get("ETag")
			statuses := make([]int, 2)
			var group sync.WaitGroup
			for i := range statuses {
				group.Go(func() {
					statuses[i] = s.do(call{
						method: patch, path: profilePath, token: who.token, header: map[string]string{"If-Match": tag},
						body: map[string]any{"phone_number": fmt.Sprintf("+49 %d %d", round+10, i)},
					}).status
				})
			}
			group.Wait()
			if statuses[0]+statuses[1] != http.StatusOK+http.StatusPreconditionFailed {
				t.Fatalf("the two writers are answered %v, want one 200 and one 412", statuses)
			}
		}
	}
}

// TestAPendingNameIsNotWithdrawn, and nobody is led to believe that it is.
func TestAPendingNameIsNotWithdrawn(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	change := func(method string, body map[string]any) answer {
		return s.do(call{method: method, path: profilePath, token: s.doctor.token, body: body})
	}
	read := s.want(http.StatusOK, call{method: get, path: profilePath, token: s.doctor.token})
	if got := change(patch, map[string]any{"last_name": read["last_name"]}); got.status != http.StatusOK {
		t.Errorf("without a pending name, the current name is answered %d %s", got.status, got.body)
	}
	if got := change(patch, map[string]any{"last_name": "Miller"}); got.status != http.StatusOK {
		t.Fatalf("a new name is answered %d %s", got.status, got.body)
	}
	got := change(patch, map[string]any{"first_name": read["first_name"], "last_name": read["last_name"]})
	if got.status != http.StatusConflict || dig[string](t, got.object(t), "code") != "name_pending" {
		t.Errorf("the current name is answered %d %s, want 409 name_pending", got.status, got.body)
	}
	now := s.want(http.StatusOK, call{method: get, path: profilePath, token: s.doctor.token})
	for _, method := range []string{put, patch} { // sent back as it is
		if got := change(method, now); got.status != http.StatusOK {
			t.Errorf("%s of the profile is answered %d %s", method, got.status, got.body)
		}
	}
	if got := change(patch, map[string]any{"phone_number": "+49 30 1"}); got.status != http.StatusOK {
		t.Errorf("another field is answered %d %s", got.status, got.body)
	}
	now = s.want(http.StatusOK, call{method: get, path: profilePath, token: s.doctor.token})
	if name := dig[string](t, now, "doctor_profile", "pending_name", "last_name"); name != "Miller" {
		t.Errorf("the pending name is %q", name)
	}
}
