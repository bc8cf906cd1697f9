package app

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-logr/logr"
)

// TestGivingUpTheLeaseIsNoError: after Ctrl-C, the manager reports its own release of the Lease as an error.
func TestGivingUpTheLeaseIsNoError(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := logr.FromSlogHandler(withoutRelease{slog.NewTextHandler(&out, nil)}).WithName("manager").WithValues("a", "b")
	log.Error(errors.New("leader election lost"), "error received after stop sequence was engaged")
	if out.Len() > 0 {
		t.Errorf("the release is logged: %s", &out)
	}
	log.Error(errors.New("leader election lost"), "problem running manager")
	log.Error(errors.New("something else"), "error received after stop sequence was engaged")
	if lines := strings.Count(out.String(), "level=ERROR"); lines != 2 {
		t.Errorf("%d errors are logged: %s", lines, &out)
	}
}
