package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// made is what a request made, and whether it made it. The schema lets nothing
// else of it be kept.
type made struct {
	ID        int64
	Created   bool  `json:",omitempty"` // of what may have been there already
	PatientID int64 `json:",omitempty"` // of a comment: whose access decides when it is gone
}

// keepable is what may be kept under a key: no word of what was made, so that
// nothing is left of it once it is deleted.
type keepable interface{ int | int64 | made }

// once makes a creating use case harmless to repeat: within the transaction of
// h, the first request under the caller's key runs do and keeps what it returns;
// the same request later gets that again, repeated, and nothing runs. A concurrent
// twin waits for the first one's end. Another request under the same key is
// CodeInvalid with reason "idempotency_key_reused". The zero Idempotency just runs do.
//
// Whoever repeats is to be answered with what is there now, and what they may
// see of it now: see orGone.
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

// orGone is the error of reading what a request made, which its repetition finds
// deleted: CodeGone instead of CodeNotFound.
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
