package app

import (
	"context"
	"errors"
	"testing"

	"github.com/healthrecords/healthrecords/internal/telemetry"
)

func TestLatchedKeepsPassing(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	result := down
	check := latched(telemetry.Check{Name: "database", Run: func(context.Context) error { return result }})
	if err := check.Run(t.Context()); !errors.Is(err, down) {
		t.Errorf("before the first success: %v", err)
	}
	result = nil
	if err := check.Run(t.Context()); err != nil {
		t.Errorf("at the first success: %v", err)
	}
	result = down
	if err := check.Run(t.Context()); err != nil {
		t.Errorf("in an outage afterwards: %v", err)
	}
}
