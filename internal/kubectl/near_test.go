package kubectl

import (
	"slices"
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"primary-care", "primary-care-2", "night-shift", "Doctor1"}
	for sent, want := range map[string][]string{
		"primry-care": {"primary-care", "primary-care-2"},
		"night":       {"night-shift"},
		"doctor2":     {"Doctor1"},
		"zebra":       {},
		"":            {},
	} {
		if got := nearest(sent, names); !slices.Equal(got, want) {
			t.Errorf("nearest to %q: %v, want %v", sent, got, want)
		}
	}
	if got := nearest(strings.Repeat("x", 100_000), names); got != nil {
		t.Errorf("a long name is near to %v", got)
	}
}
