package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// Declared is what the database holds of an object.
type Declared struct {
	clinic.DeclaredState
	Found    bool // it was declared or released before
	Released bool
	Cluster  string
	Term     int64
	Carried  int64     // the generation that was carried out last, even if something has changed since
	Digest   []byte    // see clinic.Declaration.Digest; nil: something has changed since
	Whole    bool      // each pair of the declaration was claimed
	At       time.Time // when it was read, by the database's clock
}

// DeclaredDoctor is a doctor whom a declaration names, or whom its owner claims.
type DeclaredDoctor struct {
	ID               int64
	Username         string // in lower case
	Active, Verified bool
}

// DeclaredUser is a user whom a declaration names. The ids are 0 if they have no such profile.
type DeclaredUser struct {
	PatientID, DoctorID int64
	Taken               bool // somebody has the username
}

// Pairs are doctors and patients, by profile id: the one at an index with the other at the same index.
type Pairs struct{ Patients, Doctors []int64 }

// Join returns the pairs of both.
func (p Pairs) Join(other Pairs) Pairs {
	return Pairs{append(p.Patients, other.Patients...), append(p.Doctors, other.Doctors...)}
}

// NewTerm returns a number that is later than all before.
func (h Declarations) NewTerm(ctx context.Context) (int64, error) {
	term, err := h.q.NewTerm(ctx, h.db)
	if err != nil {
		return 0, fmt.Errorf("drawing a term: %w", translate(err))
	}
	return term, nil
}

// Lock keeps the owner's claims, and the doctors of these and with the usernames, from changing until the transaction ends.
func (h Declarations) Lock(ctx context.Context, owner string, usernames []string) ([]DeclaredDoctor, error) {
	if err := h.q.LockOwner(ctx, h.db, owner); err != nil {
		return nil, fmt.Errorf("locking an owner's claims: %w", translate(err))
	}
	rows, err := h.q.LockDeclaredDoctors(ctx, h.db, dbsqlc.LockDeclaredDoctorsParams{Owner: owner, Usernames: lower(usernames)})
	if err != nil {
		return nil, fmt.Errorf("locking an owner's doctors: %w", translate(err))
	}
	doctors := make([]DeclaredDoctor, 0, len(rows))
	for _, r := range rows {
		doctors = append(doctors, DeclaredDoctor{ID: r.ID, Username: r.Username, Active: r.Active, Verified: r.Verified})
	}
	return doctors, nil
}

// Find returns the users by their usernames in lower case.
func (h Declarations) Find(ctx context.Context, usernames []string) (map[string]DeclaredUser, error) {
	rows, err := h.q.FindDeclared(ctx, h.db, lower(usernames))
	if err != nil {
		return nil, fmt.Errorf("finding declared users: %w", translate(err))
	}
	users := make(map[string]DeclaredUser, len(rows))
	for _, r := range rows {
		users[r.Username] = DeclaredUser{PatientID: r.PatientID, DoctorID: r.DoctorID, Taken: r.Taken}
	}
	return users, nil
}

// lower returns usernames in lower case. They are ASCII.
func lower(usernames []string) []string {
	names := make([]string, 0, len(usernames))
	for _, name := range usernames {
		names = append(names, strings.ToLower(name))
	}
	return names
}

// States returns what the database holds of the objects, one for each UID.
func (h Declarations) States(ctx context.Context, uids []string) ([]Declared, error) {
	rows, err := h.q.DeclaredStates(ctx, h.db, uids)
	if err != nil {
		return nil, fmt.Errorf("reading declarations: %w", translate(err))
	}
	states := make([]Declared, 0, len(rows))
	for _, r := range rows {
		state := Declared{
			DeclaredState: clinic.DeclaredState{
				UID: r.Uid, Name: r.Name, Assigned: int(r.Assigned), Claims: int(r.Claims), Held: int(r.Held), Shared: int(r.Shared), Retain: r.Retain,
			},
			Found: r.Found, Released: r.Released, Cluster: r.Cluster, Term: r.Term, Carried: r.Generation, Digest: r.Digest, Whole: r.Whole, At: r.At,
		}
		if state.Digest != nil {
			state.Generation = r.Generation
		}
		states = append(states, state)
	}
	return states, nil
}

// State is States for one object.
func (h Declarations) State(ctx context.Context, uid string) (Declared, error) {
	states, err := h.States(ctx, []string{uid})
	if err != nil {
		return Declared{}, err
	}
	return states[0], nil
}

// Owners returns objects of the cluster that have claims, by UID, from the one after `after` on. Nothing is counted.
func (h Declarations) Owners(ctx context.Context, cluster, after string, most int) ([]clinic.DeclaredState, error) {
	rows, err := h.q.Owners(ctx, h.db, dbsqlc.OwnersParams{Cluster: cluster, After: after, Most: int32(most)}) //nolint:gosec // a page
	if err != nil {
		return nil, fmt.Errorf("listing owners of claims: %w", translate(err))
	}
	owners := make([]clinic.DeclaredState, 0, len(rows))
	for _, r := range rows {
		owners = append(owners, clinic.DeclaredState{UID: r.Uid, Name: r.Name, Generation: r.Generation, Retain: r.Retain})
	}
	return owners, nil
}

// Named are the people whom a declaration names, by profile id.
type Named struct {
	Doctors  []int64 // also those who cannot be assigned now
	Able     []int64 // those of them who can
	Patients []int64
}

// list never returns nil, which would be null: neither an element nor none.
func list(ids []int64) []int64 { return append([]int64{}, ids...) }

// Others says what happens to claims of doctors who are not declared any more, on patients who are.
type Others struct {
	Keep  bool
	Until *time.Time // nil: as they are
}

// End ends the owner's claims that are not of the doctors on the patients, or that begin later than they did. It returns the
// pairs whose claims it changed.
func (h Declarations) End(ctx context.Context, d clinic.Declaration, at time.Time, named Named, others Others) (Pairs, error) {
	r, err := h.q.EndUndeclared(ctx, h.db, dbsqlc.EndUndeclaredParams{
		Owner: d.UID, Generation: d.Generation, At: at, StartsAt: d.Begin(), EndsAt: d.EndsAt,
		DoctorIDs: list(named.Doctors), PatientIDs: list(named.Patients),
		KeepOthers: others.Keep, Until: others.Until,
	})
	if err != nil {
		return Pairs{}, fmt.Errorf("ending claims: %w", translate(err))
	}
	return Pairs{r.PatientIDs, r.DoctorIDs}, nil
}

// Claim claims the able doctors for the patients, and brings the owner's claims of all doctors to what is declared. It
// returns the pairs whose claims it changed.
func (h Declarations) Claim(ctx context.Context, d clinic.Declaration, at time.Time, named Named, adopt bool) (Pairs, error) {
	p := dbsqlc.ClaimDeclaredParams{
		Owner: d.UID, DeclaredBy: d.Name, At: at, StartsAt: d.Begin(), EndsAt: d.EndsAt, Reason: d.Reason,
		DoctorIDs: list(named.Doctors), AbleIDs: list(named.Able), PatientIDs: list(named.Patients), Adopt: adopt,
	}
	if d.Requester != "" {
		p.Requester = &d.Requester
	}
	r, err := h.q.ClaimDeclared(ctx, h.db, p)
	if err != nil {
		return Pairs{}, fmt.Errorf("claiming assignments: %w", translate(err))
	}
	return Pairs{r.PatientIDs, r.DoctorIDs}, nil
}

// Count sets the counts of a result, and the time that they are true for.
func (h Declarations) Count(ctx context.Context, owner string, named Named, result *clinic.DeclarationResult) error {
	r, err := h.q.CountDeclared(ctx, h.db, dbsqlc.CountDeclaredParams{Owner: owner, DoctorIDs: list(named.Doctors), PatientIDs: list(named.Patients)})
	if err != nil {
		return fmt.Errorf("counting claims: %w", translate(err))
	}
	result.At, result.Assigned, result.Claims, result.Shared = r.At, int(r.Assigned), int(r.Claims), int(r.Shared)
	return nil
}

// Held returns the problems of the owner's pairs that an administrator holds, at most clinic.MaxProblems, and how many
// there are.
func (h Declarations) Held(ctx context.Context, owner string) (problems []clinic.DeclarationProblem, total int, err error) {
	rows, err := h.q.HeldPairs(ctx, h.db, dbsqlc.HeldPairsParams{Owner: owner, Most: clinic.MaxProblems})
	if err != nil {
		return nil, 0, fmt.Errorf("listing pairs that are held: %w", translate(err))
	}
	for _, r := range rows {
		problems = append(problems, clinic.DeclarationProblem{Doctor: r.Doctor, Patient: r.Patient, Reason: clinic.EndedByAdministrator})
		total = int(r.Total)
	}
	return problems, total, nil
}

// Save records that the declaration was carried out, and whether as a whole.
func (h Declarations) Save(ctx context.Context, d clinic.Declaration, digest []byte, whole bool) error {
	err := h.q.SaveDeclaration(ctx, h.db, dbsqlc.SaveDeclarationParams{
		Owner: d.UID, Cluster: d.Cluster, Name: d.Name, Term: d.Term, Generation: d.Generation, Digest: digest, Whole: whole, Retain: d.Retain,
		Suspended: d.Suspended,
	})
	if err != nil {
		return fmt.Errorf("recording a declaration: %w", translate(err))
	}
	return nil
}

// forgotten bounds how many rows one SaveRelease removes, so that it stays short.
const forgotten = 100

// SaveRelease records that the object is gone, and forgets some of those that were gone before the time.
func (h Declarations) SaveRelease(ctx context.Context, owner clinic.Owner, before time.Time) error {
	if err := h.q.SaveRelease(ctx, h.db, dbsqlc.SaveReleaseParams{Owner: owner.UID, Cluster: owner.Cluster, Term: owner.Term}); err != nil {
		return fmt.Errorf("recording a release: %w", translate(err))
	}
	if err := h.q.ForgetReleased(ctx, h.db, dbsqlc.ForgetReleasedParams{Before: before, Most: forgotten}); err != nil {
		return fmt.Errorf("forgetting released objects: %w", translate(err))
	}
	return nil
}

// Retain makes claims of REST from the owner's, and returns their pairs.
func (h Declarations) Retain(ctx context.Context, owner string) (Pairs, error) {
	r, err := h.q.RetainClaims(ctx, h.db, owner)
	if err != nil {
		return Pairs{}, fmt.Errorf("retaining claims: %w", translate(err))
	}
	return Pairs{r.PatientIDs, r.DoctorIDs}, nil
}

// The operations of audit rows about an assignment that goes on with other columns.
const (
	OperationAdjust = "adjustDeclared"
	OperationDisown = "disown"
)

// Audit adds an audit row for each assignment of the pairs that this transaction began, changed or ended, and counts those that
// began and ended. A change has the given operation.
func (h Declarations) Audit(ctx context.Context, pairs Pairs, operation, requester string) (created, ended int, err error) {
	if len(pairs.Patients) == 0 {
		return 0, 0, nil
	}
	r, err := h.q.AuditDeclared(ctx, h.db, dbsqlc.AuditDeclaredParams{
		PatientIDs: pairs.Patients, DoctorIDs: pairs.Doctors, Change: operation, RequestID: clinic.RequestOfController(requester),
	})
	if err != nil {
		return 0, 0, fmt.Errorf("auditing claims: %w", translate(err))
	}
	return int(r.Created), int(r.Ended), nil
}
