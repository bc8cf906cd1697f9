package store

import (
	"context"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// KeptAnswer is what is stored under an idempotency key.
type KeptAnswer struct {
	Hash   []byte // of the request that was answered first
	Answer []byte // JSON without texts; nil: the key is new, and this transaction stores its answer
}

// Claim inserts the caller's key or returns what is stored under
// it. It waits for another transaction that holds the same key.
func (h IdempotencyKeys) Claim(ctx context.Context, idem clinic.Idempotency) (KeptAnswer, error) {
	row, err := h.q.ClaimIdempotencyKey(ctx, h.db, dbsqlc.ClaimIdempotencyKeyParams{
		UserID: h.Who.UserID, Operation: idem.Operation, Key: idem.Key, RequestHash: idem.Hash,
	})
	if err != nil {
		return KeptAnswer{}, fmt.Errorf("claiming an idempotency key: %w", translate(err))
	}
	return KeptAnswer{Hash: row.RequestHash, Answer: row.Answer}, nil
}

// Answer stores the JSON answer, which has no text, under the claimed key.
func (h IdempotencyKeys) Answer(ctx context.Context, idem clinic.Idempotency, answer []byte) error {
	err := h.q.AnswerIdempotencyKey(ctx, h.db, dbsqlc.AnswerIdempotencyKeyParams{
		UserID: h.Who.UserID, Operation: idem.Operation, Key: idem.Key, Answer: answer,
	})
	if err != nil {
		return fmt.Errorf("storing an answer: %w", translate(err))
	}
	return nil
}

// Trim deletes up to most keys made before the instant and
// returns how many it deleted.
func (h IdempotencyKeys) Trim(ctx context.Context, before time.Time, most int) (int, error) {
	n, err := h.q.TrimIdempotencyKeys(ctx, h.db, dbsqlc.TrimIdempotencyKeysParams{Before: before, Most: int64(most)})
	if err != nil {
		return 0, fmt.Errorf("trimming idempotency keys: %w", translate(err))
	}
	return int(n), nil
}
