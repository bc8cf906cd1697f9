package service

import (
	"bytes"
	"context"
	"math"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

// releasedLifetime is how long the database knows that an object was deleted. A controller that was frozen for longer could
// declare the object again.
const releasedLifetime = 30 * 24 * time.Hour

// maxRequester bounds the name of a Kubernetes user that is kept, in characters: an identity provider may give any.
const maxRequester = 1000

// Declarations are the use cases of declared assignments, such as those of DoctorAssignment objects.
type Declarations struct{ db *store.DB }

// NewDeclarations returns the use cases.
func NewDeclarations(db *store.DB) *Declarations { return &Declarations{db: db} }

// NewTerm returns the term of a controller that begins to lead: see clinic.Owner.
func (s *Declarations) NewTerm(ctx context.Context) (int64, error) {
	return s.db.System().Declarations().NewTerm(ctx)
}

// States returns what the database holds of those of the objects that were declared for the cluster. The generation is 0 where
// something has changed since the declaration.
func (s *Declarations) States(ctx context.Context, cluster string, uids []string) ([]clinic.DeclaredState, error) {
	all, err := s.db.System().Declarations().States(ctx, uids)
	if err != nil {
		return nil, err
	}
	states := make([]clinic.DeclaredState, 0, len(all))
	for _, state := range all {
		if state.Found && state.Cluster == cluster {
			states = append(states, state.DeclaredState)
		}
	}
	return states, nil
}

// Owners returns objects of the cluster that have claims, by UID, from the one after `after` on. Their pairs are not counted.
func (s *Declarations) Owners(ctx context.Context, cluster, after string, limit int) ([]clinic.DeclaredState, error) {
	return s.db.System().Declarations().Owners(ctx, cluster, after, limit)
}

// Declare makes the claims of the declaration's owner match the declaration, in one transaction, as far as doctors and
// patients can be assigned; the result tells the problems of the others. It writes and locks nothing if everything matches
// already. It claims again what was ended outside the platform. A claim that has begun and is declared to begin later ends,
// and another one is made. A declaration that is suspended or has ended leaves no claims, even if it is invalid.
// It fails with the conflict "superseded" if a controller with a later term, or a later generation, came before.
func (s *Declarations) Declare(ctx context.Context, d clinic.Declaration) (clinic.DeclarationResult, error) {
	invalid := d.Validate()
	if invalid != nil && (d.UID == "" || d.EndsAt == nil && !d.Suspended) {
		return clinic.DeclarationResult{}, invalid
	}
	if name := []rune(d.Requester); len(name) > maxRequester {
		d.Requester = string(name[:maxRequester])
	}
	digest, err := d.Digest()
	if err != nil {
		return clinic.DeclarationResult{}, err
	}
	job := declaring{Declaration: d, invalid: invalid, digest: digest}
	if result, settled, err := job.settled(ctx, s.db.System()); err != nil || settled {
		return result, err
	}
	err = s.db.Tx(ctx, nil, func(h store.Handle) error { return job.carryOut(ctx, h) })
	if err != nil {
		return clinic.DeclarationResult{}, err
	}
	return job.result, nil
}

// Release ends every claim of the owner and returns how many assignments ended: those that nobody else claims.
func (s *Declarations) Release(ctx context.Context, owner clinic.Owner) (ended int, err error) {
	err = s.leave(ctx, owner, func(h store.Handle, at time.Time) error {
		none := clinic.Declaration{Owner: owner, Generation: math.MaxInt64} // later than all that is held
		pairs, err := h.Declarations().End(ctx, none, at, store.Named{}, store.Others{})
		if err != nil {
			return err
		}
		_, ended, err = h.Declarations().Audit(ctx, pairs, store.OperationAdjust, "")
		return err
	})
	return ended, err
}

// Retain makes claims of REST from those of the owner: an administrator may end them.
func (s *Declarations) Retain(ctx context.Context, owner clinic.Owner) error {
	return s.leave(ctx, owner, func(h store.Handle, _ time.Time) error {
		pairs, err := h.Declarations().Retain(ctx, owner.UID)
		if err != nil {
			return err
		}
		_, _, err = h.Declarations().Audit(ctx, pairs, store.OperationDisown, "")
		return err
	})
}

// leave runs fn for the claims of an object that is gone. It does nothing where that was done.
func (s *Declarations) leave(ctx context.Context, owner clinic.Owner, fn func(h store.Handle, at time.Time) error) error {
	return s.db.Tx(ctx, nil, func(h store.Handle) error {
		if _, err := h.Declarations().Lock(ctx, owner.UID, nil); err != nil {
			return err
		}
		state, err := h.Declarations().State(ctx, owner.UID)
		if err != nil {
			return err
		}
		if state.Term > owner.Term {
			return superseded()
		}
		if state.Released && state.Term == owner.Term && state.Claims == 0 && state.Held == 0 {
			return nil
		}
		if err := fn(h, state.At); err != nil {
			return err
		}
		return h.Declarations().SaveRelease(ctx, owner, state.At.Add(-releasedLifetime))
	})
}

func superseded() error {
	return clinic.Conflict("superseded", "a controller with a later term, or a later generation of the object, has changed these claims")
}

// precedes reports whether the declaration is older than what was carried out.
func precedes(d clinic.Declaration, state store.Declared) bool {
	return d.Term < state.Term || d.Term == state.Term && d.Generation < state.Carried
}

// isCarriedOut reports whether the state is that of this declaration.
func (j *declaring) isCarriedOut(state store.Declared) bool {
	return state.Found && !state.Released && state.Carried == j.Generation && state.Cluster == j.Cluster && bytes.Equal(state.Digest, j.digest)
}
