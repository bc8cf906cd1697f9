package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// made identifies the object that a request made or found. The schema allows nothing
// else of it to be stored.
type made struct {
	ID        int64
	Created   bool  `json:",omitempty"` // for objects that may exist already
	PatientID int64 `json:",omitempty"` // for comments: the patient whose access decides after the comment was deleted
}

// keepable are the types that may be stored under a key. They contain no text of the object, so that
// nothing of it remains after it is deleted.
type keepable interface{ int | int64 | made }

// once makes a creating use case safe to repeat: within the transaction of
// h, the first request under the caller's key runs do and stores its result.
// The same request later gets that result, with repeated, and do does not run. A concurrent
// one waits for the first one's end. Another request under the same key fails with
// CodeInvalid and reason "idempotency_key_reused". The zero Idempotency just runs do.
//
// The answer to a repetition must show the object as it is now, and only what the
// caller may see now: see orGone.
func once[T keepable](ctx context.Context, h store.Handle, idem clinic.Idempotency, do func() (T, error)) (answer T, repeated bool, err error) {
	if idem.Key == "" {
		answer, err = do()
		return answer, false, err
	}
	kept, err := h.IdempotencyKeys().Claim(ctx, idem)
	if err != nil {
		return answer, false, err
	}
	if !bytes.Equal(kept.Hash, idem.Hash) {
		return answer, false, errKeyReused()
	}
	if kept.Answer != nil {
		if err := json.Unmarshal(kept.Answer, &answer); err != nil {
			return answer, false, fmt.Errorf("decoding a kept answer: %w", clinic.Internal(err))
		}
		return answer, true, nil
	}
	if answer, err = do(); err != nil {
		return answer, false, err
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		return answer, false, fmt.Errorf("encoding an answer: %w", clinic.Internal(err))
	}
	return answer, false, h.IdempotencyKeys().Answer(ctx, idem, encoded)
}

// orGone turns the error of reading an object that a repetition finds
// deleted into CodeGone instead of CodeNotFound.
func orGone(repeated bool, err error) error {
	if repeated && clinic.CodeOf(err) == clinic.CodeNotFound {
		return clinic.Gone()
	}
	return err
}

func errKeyReused() error {
	return &clinic.Error{
		Code: clinic.CodeInvalid, Reason: "idempotency_key_reused",
		Message: "this Idempotency-Key was used for another request",
	}
}
