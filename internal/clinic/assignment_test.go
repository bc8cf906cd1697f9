package clinic_test

import (
	"errors"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// TestEndsThatNoAnswerCanTell: JSON has years of four digits, in UTC.
func TestEndsThatNoAnswerCanTell(t *testing.T) {
	t.Parallel()
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, test := range []struct {
		end  time.Time
		want string
	}{
		{last, ""},
		{last.In(time.FixedZone("east", 14*3600)), ""},
		{last.Add(time.Second), "ends_at"},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("west", -14*3600)), "ends_at"},
	} {
		request := clinic.AssignmentRequest{EndsAt: &test.end}
		if got := field(request.Validate(time.Now())); got != test.want {
			t.Errorf("a request until %s: the wrong field is %q, want %q", test.end, got, test.want)
		}
		declared := clinic.Declaration{Owner: clinic.Owner{UID: "uid"}, Doctors: []string{"doctor"}, Patients: []string{"patient"}, EndsAt: &test.end}
		if got := field(declared.Validate()); (got != "") != (test.want != "") {
			t.Errorf("a declaration until %s: the wrong field is %q", test.end, got)
		}
		declared.StartsAt, declared.EndsAt = &test.end, nil
		if got := field(declared.Validate()); (got != "") != (test.want != "") {
			t.Errorf("a declaration from %s: the wrong field is %q", test.end, got)
		}
	}
}

// field is the first field that an error names.
func field(err error) string {
	var e *clinic.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return ""
	}
	return e.Fields[0].Field
}
