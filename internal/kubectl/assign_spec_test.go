package kubectl

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNamesAreSortedWithoutDuplicates(t *testing.T) {
	t.Parallel()
	if got := names("bob,Alice", "BOB", " carol ", "", "a,,b"); !slices.Equal(got, []string{"a", "Alice", "b", "bob", "carol"}) {
		t.Errorf("%v", got)
	}
}

func TestNameForHidesUsernames(t *testing.T) {
	t.Parallel()
	a := nameFor([]string{"Doctor1"}, []string{"patient1"})
	if b := nameFor([]string{"doctor1"}, []string{"Patient1"}); a != b {
		t.Errorf("%s and %s differ in nothing but case", a, b)
	}
	seen := map[string]bool{a: true}
	for _, other := range []string{nameFor([]string{"doctor1", "patient1"}, nil), nameFor([]string{"doctor2"}, []string{"patient1"})} {
		if seen[other] {
			t.Errorf("%s names two pairs", other)
		}
		seen[other] = true
	}
	if strings.Contains(a, "doctor1") || strings.Contains(a, "patient1") {
		t.Errorf("%s shows a username", a)
	}
}

func TestPeriod(t *testing.T) {
	t.Parallel()
	const noon = "2030-01-01T12:00:00Z"
	tests := []struct{ from, until, start, end, err string }{
		{"", "", "", "", ""},
		{"", "8h", "", "2030-01-01T20:00:00Z", ""},
		{"", "1h30m", "", "2030-01-01T13:30:00Z", ""},
		{"", "90d", "", "2030-04-01T12:00:00Z", ""},
		{"1d", "2w", "2030-01-02T12:00:00Z", "2030-01-16T12:00:00Z", ""}, // from the start on
		{"2029-12-31T00:00:00+01:00", "2030-06-01T00:00:00+02:00", "2029-12-30T23:00:00Z", "2030-05-31T22:00:00Z", ""},
		{"", "tomorrow", "", "", "--until takes a time"},
		{"", "2030-01-31", "", "", "--until takes a time"},
		{"soon", "", "", "", "--from takes a time"},
		{"", "-1h", "", "", "--until takes a time"},
		{"", "0d", "", "", "--until takes a time"},
		{"", "99999w", "", "", "--until takes a time"},
		{"", noon, "", "", "--until must be in the future"},
		{"2d", "2030-01-02T00:00:00Z", "", "", "--until must be later than --from"},
	}
	for _, test := range tests {
		start, end, err := period(test.from, test.until, today().Add(300*time.Millisecond))
		if err != nil {
			if test.err == "" || !strings.Contains(err.Error(), test.err) {
				t.Errorf("from %q until %q: %v, want %q", test.from, test.until, err, test.err)
			}
			continue
		}
		if test.err != "" || stamp(start) != test.start || stamp(end) != test.end {
			t.Errorf("from %q until %q: %s to %s, want %s to %s %s", test.from, test.until, stamp(start), stamp(end), test.start, test.end, test.err)
		}
	}
}
