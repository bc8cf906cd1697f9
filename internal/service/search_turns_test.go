package service //nolint:testpackage // turns are taken without a database

import (
	"context"
	"errors"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// TestOneUserHasFewSearchesAtOnce, and all users together leave connections to others.
func TestOneUserHasFewSearchesAtOnce(t *testing.T) {
	t.Parallel()
	turns := newSearchTurns(6)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	var give []func()
	for _, user := range []int64{1, 1, 2} {
		one, err := turns.take(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		give = append(give, one)
	}
	for _, user := range []int64{1, 3} {
		if _, err := turns.take(over, user); clinic.CodeOf(err) != clinic.CodeUnavailable || !errors.Is(err, context.Canceled) {
			t.Errorf("user %d: %v", user, err)
		}
	}
	for _, one := range give {
		one()
	}
	one, err := turns.take(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	one()
	if len(turns.users) != 0 || len(turns.all) != 0 {
		t.Errorf("%d users are remembered, and %d turns taken", len(turns.users), len(turns.all))
	}
}
