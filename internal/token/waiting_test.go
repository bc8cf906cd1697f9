package token

import (
	"context"
	"math"
	"net/netip"
	"runtime"
	"sync"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

func TestHashingWaitsForASlotUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	h, err := NewHasher(HasherOptions{MemoryKiB: 64, Passes: 1, Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	h.slots <- struct{}{} // another hash is being computed
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := h.Hash(ctx, "waiting")
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("did not wait: %v", err)
	default:
	}
	cancel()
	if err := <-ended; clinic.CodeOf(err) != clinic.CodeUnavailable {
		t.Errorf("err = %v, want unavailable", err)
	}
	<-h.slots
	if _, err := h.Hash(t.Context(), "free again"); err != nil {
		t.Error(err)
	}
	if len(h.slots) != 0 {
		t.Error("a slot was not returned")
	}
}

func TestOneClientsPasswordsKeepNobodyElseWaiting(t *testing.T) {
	t.Parallel()
	h, err := NewHasher(HasherOptions{MemoryKiB: 64, Passes: 1, Concurrency: 2})
	if err != nil {
		t.Fatal(err)
	}
	greedy, stop := context.WithCancel(clinic.WithAddress(t.Context(), netip.MustParseAddr("192.0.2.1")))
	const atOnce = 100
	var crowd sync.WaitGroup
	for range atOnce {
		crowd.Go(func() {
			for greedy.Err() == nil {
				_, _ = h.Hash(greedy, "again")
			}
		})
	}
	defer crowd.Wait()
	defer stop()
	other := clinic.WithAddress(t.Context(), netip.MustParseAddr("192.0.2.2"))
	for h.Computed() < atOnce { // until all of them have come
		runtime.Gosched()
	}
	least := int64(math.MaxInt64) // a moment may pass before the other client is in line
	for range 20 {
		before := h.Computed()
		if _, err := h.Hash(other, "once"); err != nil {
			t.Fatal(err)
		}
		least = min(least, h.Computed()-before)
	}
	if least > atOnce/4 {
		t.Errorf("a client waits for %d hashes, nearly all of another client's", least)
	}
}
