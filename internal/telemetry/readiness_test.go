package telemetry_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/healthrecords/healthrecords/internal/telemetry"
)

func TestLatchedKeepsPassing(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	result := down
	check := telemetry.Check{Name: "database", Run: func(context.Context) error { return result }}.Latched()
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

// TestNothingWorksBeforeItsCheckPasses starts a part only after its check passes.
func TestNothingWorksBeforeItsCheckPasses(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	asked := make(chan struct{}, 1)
	check := telemetry.Check{Name: "database", Run: func(context.Context) error {
		select {
		case asked <- struct{}{}:
		default:
		}
		if !ready.Load() {
			return errors.New("the schema is behind")
		}
		return nil
	}}
	var log strings.Builder
	started := make(chan bool, 1)
	part := check.Before(slog.New(slog.NewTextHandler(&log, nil)), func(context.Context) error {
		started <- ready.Load()
		return nil
	})
	ended := make(chan error, 1)
	go func() { ended <- part(t.Context()) }()
	for range 2 {
		<-asked
	}
	ready.Store(true)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if !<-started {
		t.Error("the part started before")
	}
	if strings.Count(log.String(), "the schema is behind") != 1 {
		t.Errorf("the log is %s", log.String())
	}
	ready.Store(false)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := part(stopped); err != nil || len(started) != 0 {
		t.Errorf("stopped while it waits: %v, %d parts started", err, len(started))
	}
}
