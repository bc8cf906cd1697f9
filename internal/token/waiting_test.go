package token

import (
	"context"
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
		t.Error("a slot was not given back")
	}
}
