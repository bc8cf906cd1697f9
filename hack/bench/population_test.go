package main

import (
	"math"
	"regexp"
	"slices"
	"testing"
)

func TestSizesAreNumbersOfPatients(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"1k": 1000, "300k": 300_000, "250": 250} {
		if got, err := parseSize(text); got != want || err != nil {
			t.Errorf("parseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "k", "many", "99", "-1k"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", text, got)
		}
	}
}

func TestPopulationHasWhatItPromises(t *testing.T) {
	t.Parallel()
	p := newPopulation(10_000)
	var records, comments, private int
	ids := map[int64]bool{}
	for r := range p.allRecords() {
		records++
		ids[r.id] = true
		for i := range r.comments() {
			comments++
			if r.private(i) {
				private++
			}
		}
		if r.at.After(p.now) || r.at.Before(p.founded()) {
			t.Fatalf("record %d is of %v", r.id, r.at)
		}
	}
	if len(ids) != records {
		t.Errorf("%d records have %d ids", records, len(ids))
	}
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > want/20 {
			t.Errorf("%s: %.3f on average, want %.3f", what, got, want)
		}
	}
	near("records of a patient", float64(records)/float64(p.patients), averageVisits)
	near("comments on a record", float64(comments)/float64(records), averageComment)
	near("private ones of the comments", float64(private)/float64(comments), 0.25)
	if p.doctors() < leastDoctors {
		t.Errorf("%d doctors, want %d", p.doctors(), leastDoctors)
	}
	for doctor, want := range map[int]int{doctorOfMany: 10_000, doctorOfSome: 1000, doctorOfFew: 10} {
		panel := p.panel(doctor)
		if got := len(slices.Compact(slices.Sorted(slices.Values(panel)))); got != want || slices.Max(panel) > p.patients {
			t.Errorf("doctor %d has %d patients, want %d", doctor, got, want)
		}
	}
	for i, want := range []int{20, 300, 1700, 20_000} {
		if got := p.notified()[i].count; got != want {
			t.Errorf("a reader has %d notifications, want %d", got, want)
		}
	}
}

// TestCallersAreDifferentPeople: a login or a change must not alter what others read.
func TestCallersAreDifferentPeople(t *testing.T) {
	t.Parallel()
	for _, size := range []int{leastPatients, 1000, 10_000, 12_345} {
		p, seen := newPopulation(size), map[int]bool{}
		for i := range p.callers() {
			for kind := readers; kind <= refreshing; kind++ {
				patient := p.caller(kind, i)
				if seen[patient] || patient > p.patients {
					t.Fatalf("of %d patients, patient %d is a caller twice, or does not exist", size, patient)
				}
				seen[patient] = true
			}
		}
	}
}

// TestPlainStatementsGetWhatTheyNeed checks that pgbench knows each variable of each statement.
func TestPlainStatementsGetWhatTheyNeed(t *testing.T) {
	t.Parallel()
	variable := regexp.MustCompile(`(?:^|[^:]):([a-z]+)`)
	set := regexp.MustCompile(`(?m)^\\set ([a-z]+)`)
	for _, c := range newPopulation(1000).scenarios() {
		if c.plain == "" {
			continue
		}
		text, err := plainStatements.ReadFile("plain/" + c.plain + ".sql")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		known := map[string]bool{}
		for name := range c.values {
			known[name] = true
		}
		for _, match := range set.FindAllSubmatch(text, -1) {
			known[string(match[1])] = true
		}
		for _, match := range variable.FindAllSubmatch(text, -1) {
			if !known[string(match[1])] {
				t.Errorf("%s: %s.sql needs %s", c.name, c.plain, match[1])
			}
		}
	}
}

func TestScenariosHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, size := range []int{leastPatients, 10_000} {
		names := map[string]bool{}
		for _, c := range newPopulation(size).scenarios() {
			if names[c.name] {
				t.Errorf("with %d patients, two scenarios are named %q", size, c.name)
			}
			names[c.name] = true
		}
	}
}

func TestLargeSizesNeedMoreSpace(t *testing.T) {
	t.Parallel()
	if err := checkSpace(t.TempDir(), math.MaxInt32); err == nil {
		t.Error("any disk is large enough for two billion patients")
	}
	if small, large := neededBytes(1000), neededBytes(300_000); small >= large {
		t.Errorf("1,000 patients need %.0f bytes, and 300,000 need %.0f", small, large)
	}
}
