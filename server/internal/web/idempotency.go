package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Repeatable is embedded in requests that are safe to repeat with an
// Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). It is exported
// because huma ignores the fields of embedded types that are not.
type Repeatable struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"1" maxLength:"255" pattern:"^[!-~]+$" patternDescription:"visible ASCII characters" doc:"A text of your choice that is unique for the request, such as a UUID. Repeating the request with the same key changes nothing: the answer is the current state of the object that the first request created, or 410 if it has been deleted. Keys expire after a day."`
}

// Once describes the request to the service. content is everything that
// distinguishes it from other requests: its target and the decoded body, so that
// white space and the order of fields do not matter.
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
