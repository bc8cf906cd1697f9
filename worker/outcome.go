package worker

import "github.com/healthrecords/healthrecords/internal/clinic"

// outcome is what becomes of a delivery.
type outcome string

const (
	done    outcome = "done"    // the effect is committed, now or before
	dropped outcome = "dropped" // what the event was about is gone
	dead    outcome = "dead"    // given up, for a person to look at
	retry   outcome = "retry"   // the outbox publishes it again later
	pending outcome = "pending" // stays with its consumer until it is reclaimed
)

// outcomeOf maps what the service returned to what becomes of the delivery.
func outcomeOf(err error, attempt, maxAttempts int) outcome {
	switch clinic.CodeOf(err) {
	case "":
		return done
	case clinic.CodeNotFound, clinic.CodeGone:
		return dropped
	case clinic.CodeUnavailable:
		return pending
	case clinic.CodeInvalid:
		return dead
	case clinic.CodeConflict:
		// Another delivery was faster; if it was of the same event, the next one finds it done.
	case clinic.CodeInternal, clinic.CodeUnauthenticated, clinic.CodeForbidden, clinic.CodePreconditionFailed, clinic.CodeTooMany:
	}
	if attempt >= maxAttempts {
		return dead
	}
	return retry
}

// result is what became of one delivery, and why.
type result struct {
	outcome outcome
	err     error
}
