package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Repeatable is the part of a request that makes its repetition harmless
// (draft-ietf-httpapi-idempotency-key-header). It is exported for huma.
type Repeatable struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"1" maxLength:"255" pattern:"^[!-~]+$" patternDescription:"visible ASCII characters" doc:"Any text that the client makes up for one request, such as a UUID: a repetition with the same key changes nothing, and is answered with what the first request made as it is now: 410 when that was deleted. Kept for a day."`
}

// Once describes the request to the service. content is all that makes it
// another request: target and decoded body, so that white space and the order
// of fields do not count.
func (r Repeatable) Once(ctx context.Context, content ...any) (clinic.Idempotency, error) {
	if r.IdempotencyKey == "" {
		return clinic.Idempotency{}, nil
	}
	operation := ExchangeOf(ctx).Operation
	b, err := json.Marshal(append([]any{operation}, content...))
	if err != nil {
		return clinic.Idempotency{}, fmt.Errorf("hashing a request: %w", err)
	}
	hash := sha256.Sum256(b)
	return clinic.Idempotency{Key: r.IdempotencyKey, Operation: operation, Hash: hash[:]}, nil
}
