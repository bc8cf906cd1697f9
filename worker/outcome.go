package worker

import "github.com/healthrecords/healthrecords/internal/clinic"

// outcome is the result of a delivery.
type outcome string

const (
	done    outcome = "done"    // the effect is committed, now or before
	dropped outcome = "dropped" // the subject of the event no longer exists
	dead    outcome = "dead"    // the event has failed for good, and needs a person's attention
	retry   outcome = "retry"   // the outbox publishes the event again later
	pending outcome = "pending" // the entry stays with its consumer until it is reclaimed
)

// outcomeOf maps the error of the service to the outcome of the delivery.
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
		// Another delivery was faster. If it had the same event, the next attempt finds the event done.
	case clinic.CodeInternal, clinic.CodeUnauthenticated, clinic.CodeForbidden, clinic.CodePreconditionFailed, clinic.CodeTooMany:
	}
	if attempt >= maxAttempts {
		return dead
	}
	return retry
}

// result is the outcome of one delivery, and its cause.
type result struct {
	outcome outcome
	err     error
}
