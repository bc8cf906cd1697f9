package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// once makes a creating use case harmless to repeat: within the transaction of
// h, the first request under the caller's key runs do and keeps its answer; the
// same request later gets that answer again, decoded from JSON, and nothing
// runs. A concurrent twin waits for the first one's end. Another request under
// the same key is CodeInvalid with reason "idempotency_key_reused". The zero
// Idempotency just runs do.
//
// What the caller may do is to be checked before once and not in do, so that a
// right that has ended also ends the repetition.
func once[T any](ctx context.Context, h store.Handle, idem clinic.Idempotency, do func() (T, error)) (T, error) {
	var answer T
	if idem.Key == "" {
		return do()
	}
	kept, err := h.ClaimIdempotencyKey(ctx, idem)
	if err != nil {
		return answer, err
	}
	if !bytes.Equal(kept.Hash, idem.Hash) {
		return answer, errKeyReused()
	}
	if kept.Answer != nil {
		if err := json.Unmarshal(kept.Answer, &answer); err != nil {
			return answer, fmt.Errorf("decoding a kept answer: %w", clinic.Internal(err))
		}
		return answer, nil
	}
	if answer, err = do(); err != nil {
		return answer, err
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		return answer, fmt.Errorf("encoding an answer: %w", clinic.Internal(err))
	}
	return answer, h.AnswerIdempotencyKey(ctx, idem, encoded)
}

func errKeyReused() error {
	return &clinic.Error{
		Code: clinic.CodeInvalid, Reason: "idempotency_key_reused",
		Message: "this Idempotency-Key was used for another request",
	}
}
