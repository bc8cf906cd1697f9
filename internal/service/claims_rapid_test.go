package service_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestClaimsFollowTheModel changes objects, lets controllers carry them out, crash and come back, assigns and ends over REST,
// moves the clock, and damages claims, all at random. After each step, who has access is equal to the model, and nobody has
// access without a claim.
func TestClaimsFollowTheModel(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue { // each has about 30 steps with Postgres
		testkit.Must(t, flag.Set("rapid.checks", "80"))
	}
	w := newWard(t, 0)
	runs := 0
	rapid.Check(t, func(r *rapid.T) {
		runs++
		p := newPlayground(t, r, w, runs)
		r.Repeat(map[string]func(*rapid.T){
			"edit": p.edit, "reconcile": p.reconcile, "reconcile again": p.reconcile, "edit and reconcile": p.editAndReconcile, "frozen": p.frozen, "remove": p.remove, "assign": p.assign,
			"end": p.end, "force": p.force, "lift": p.lift, "clock": p.clock, "verify": p.verify, "drift": p.drift, "": p.check,
		})
		p.settle(r)
	})
}

// playground has people and objects of its own, and the model of their claims.
type playground struct {
	model
	w        ward
	t        *testing.T
	admin    clinic.Caller
	name     string
	doctors  []clinic.Doctor
	patients []clinic.Patient
	epoch    time.Time
	term     int64
	made     int // objects
}

func newPlayground(t *testing.T, r *rapid.T, w ward, run int) *playground {
	t.Helper()
	p := &playground{w: w, t: t, admin: testkit.CallerOf(w.db.Admin()), name: fmt.Sprintf("run%d-", run), epoch: time.Now().UTC().Truncate(time.Second), term: 1}
	for i := range 2 {
		p.doctors = append(p.doctors, w.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: fmt.Sprintf("%sdoctor%d", p.name, i)}}))
		p.patients = append(p.patients, w.db.Patient(testkit.PatientOptions{Person: testkit.Person{Username: fmt.Sprintf("%spatient%d", p.name, i)}}))
	}
	p.verified = []bool{true, true}
	p.objects = make([]modelObject, 3)
	for range 2 { // something to begin with
		p.edit(r)
	}
	return p
}

func pairOf(r *rapid.T) duo {
	return duo{rapid.IntRange(0, 1).Draw(r, "doctor"), rapid.IntRange(0, 1).Draw(r, "patient")}
}

// time is the model's time on Postgres' clock.
func (p *playground) time(hours float64) *time.Time {
	if hours < 0 || hours == never {
		return nil
	}
	return new(p.epoch.Add(time.Duration((hours - p.now) * float64(time.Hour))))
}

func (p *playground) declaration(object int) clinic.Declaration {
	o := p.objects[object]
	d := clinic.Declaration{
		Owner: clinic.Owner{UID: o.uid, Cluster: "cluster-1", Term: p.term}, Generation: o.generation, Name: "ns/name",
		StartsAt: p.time(o.start), EndsAt: p.time(o.end), Suspended: o.suspended, Adopt: o.adopt, Replace: len(o.doctors) == 1,
	}
	for _, i := range o.doctors {
		d.Doctors = append(d.Doctors, p.doctors[i].User.Username)
	}
	for _, i := range o.patients {
		d.Patients = append(d.Patients, p.patients[i].User.Username)
	}
	return d
}

// object draws one that exists, or that does not.
func (p *playground) object(r *rapid.T, exists bool) int {
	i := rapid.IntRange(0, len(p.objects)-1).Draw(r, "object")
	if p.objects[i].exists != exists {
		r.Skip()
	}
	return i
}

// edit applies an object: its spec only, which a controller carries out later.
func (p *playground) edit(r *rapid.T) { p.change(r) }

// change is edit, and returns the object.
func (p *playground) change(r *rapid.T) int {
	i := rapid.IntRange(0, len(p.objects)-1).Draw(r, "object")
	o := &p.objects[i]
	if !o.exists {
		p.made++ // an object of the same name has another UID
		*o = modelObject{uid: fmt.Sprintf("%s%d", p.name, p.made), exists: true, held: map[duo]int64{}}
	}
	o.generation++
	o.fresh = true
	people := rapid.SampledFrom([][]int{{0}, {1}, {0, 1}})
	o.doctors, o.patients = people.Draw(r, "doctors"), people.Draw(r, "patients")
	o.suspended, o.adopt = rapid.IntRange(0, 5).Draw(r, "suspended") == 0, rapid.IntRange(0, 3).Draw(r, "adopt") == 0
	o.start, o.end = -1, never
	if rapid.Bool().Draw(r, "period") {
		o.start = p.now + float64(rapid.IntRange(-1, 3).Draw(r, "start")) + 0.5
	}
	if rapid.IntRange(0, 2).Draw(r, "bounded") == 0 {
		o.end = max(o.start, p.now) + float64(rapid.IntRange(1, 3).Draw(r, "end")) + 0.25
	}
	return i
}

func (p *playground) editAndReconcile(r *rapid.T) { p.carryOut(r, p.change(r)) }

func (p *playground) reconcile(r *rapid.T) {
	i := p.object(r, true)
	if rapid.IntRange(0, 4).Draw(r, "another leader") == 0 {
		p.term++
	}
	p.carryOut(r, i)
}

func (p *playground) carryOut(r *rapid.T, i int) {
	p.declare(i)
	result, err := p.w.Declarations.Declare(p.t.Context(), p.declaration(i))
	if err != nil {
		r.Fatalf("declaring %+v: %v (%v)", p.declaration(i), err, cause(err))
	}
	p.compare(r, i, result)
}

// compare compares what the object's status would say.
func (p *playground) compare(r *rapid.T, i int, result clinic.DeclarationResult) {
	if claims, assigned := p.counts(i); result.Claims != claims || result.Assigned != assigned {
		r.Fatalf("of %+v, %d pairs are claimed and %d assigned: got %+v", p.declaration(i), claims, assigned, result)
	}
}

// frozen lets a controller of an earlier term carry out an earlier spec.
func (p *playground) frozen(r *rapid.T) {
	i := p.object(r, true)
	d := p.declaration(i)
	d.Term, d.Generation, d.Suspended = 0, p.objects[i].carried-1, !d.Suspended
	if p.objects[i].carried == 0 {
		r.Skip()
	}
	if _, err := p.w.Declarations.Declare(p.t.Context(), d); clinic.ReasonOf(err) != "superseded" {
		r.Fatalf("a frozen controller: %v", err)
	}
}

func (p *playground) remove(r *rapid.T) {
	i := p.object(r, true)
	owner := p.declaration(i).Owner
	var err error
	if rapid.Bool().Draw(r, "retain") {
		p.retain(i)
		err = p.w.Declarations.Retain(p.t.Context(), owner)
	} else {
		p.drop(p.ofOwner(i))
		_, err = p.w.Declarations.Release(p.t.Context(), owner)
	}
	if err != nil {
		r.Fatal(err)
	}
	p.objects[i] = modelObject{}
}

// active returns the id of the pair's assignment that runs now.
func (p *playground) active(pair duo) int64 {
	return int64(p.w.db.Count(`SELECT coalesce(max(id), 0) FROM assignments WHERE doctor_id = $1 AND patient_id = $2 AND source <> 'break_glass'
		AND starts_at <= now() AND (ends_at IS NULL OR ends_at > now())`, p.doctors[pair.doctor].ID, p.patients[pair.patient].ID))
}

func (p *playground) assign(r *rapid.T) {
	pair, end := pairOf(r), never
	if !p.verified[pair.doctor] {
		r.Skip()
	}
	if rapid.Bool().Draw(r, "bounded") {
		end = p.now + float64(rapid.IntRange(1, 3).Draw(r, "end")) + 0.75
	}
	request := clinic.AssignmentRequest{DoctorID: p.doctors[pair.doctor].ID, PatientID: p.patients[pair.patient].ID, EndsAt: p.time(end)}
	if _, _, err := p.w.Assignments.Assign(p.t.Context(), p.admin, request, noKey); err != nil {
		r.Fatalf("assigning: %v (%v)", err, cause(err))
	}
	p.addREST(pair, p.now, end, false)
}

func (p *playground) end(r *rapid.T) {
	pair := pairOf(r)
	id := p.active(pair)
	if id == 0 {
		r.Skip()
	}
	_, err := p.w.Assignments.End(p.t.Context(), p.admin, id, false)
	if want := map[bool]string{false: "managed_by_kubernetes"}[p.model.end(pair)]; clinic.ReasonOf(err) != want || want == "" && err != nil {
		r.Fatalf("ending: %v, want %q", err, want)
	}
}

func (p *playground) force(r *rapid.T) {
	pair := pairOf(r)
	id := p.active(pair)
	if id == 0 {
		r.Skip()
	}
	if _, err := p.w.Assignments.End(p.t.Context(), p.admin, id, true); err != nil {
		r.Fatal(err)
	}
	p.model.force(pair)
}

func (p *playground) lift(r *rapid.T) {
	pair := pairOf(r)
	id := p.w.db.Count(`SELECT coalesce(max(id), 0) FROM assignments WHERE doctor_id = $1 AND patient_id = $2`, p.doctors[pair.doctor].ID, p.patients[pair.patient].ID)
	if id == 0 {
		r.Skip()
	}
	if err := p.w.Assignments.LiftHold(p.t.Context(), p.admin, int64(id)); err != nil {
		r.Fatal(err)
	}
	p.model.lift(pair)
}

// clock moves every time of the run into the past, instead of the clock into the future. The earliest row goes first:
// assignments of a pair may never overlap.
func (p *playground) clock(r *rapid.T) {
	hours := rapid.IntRange(1, 2).Draw(r, "hours")
	const shift = `ALTER TABLE %[1]s DISABLE TRIGGER USER;
		DO $$ DECLARE one bigint; BEGIN
			FOR one IN SELECT id FROM %[1]s WHERE doctor_id IN (%[2]d, %[3]d) ORDER BY starts_at, id LOOP
				UPDATE %[1]s SET starts_at = starts_at - interval '%[4]d hours', ends_at = ends_at - interval '%[4]d hours' %[5]s WHERE id = one;
			END LOOP;
		END $$;
		ALTER TABLE %[1]s ENABLE TRIGGER USER;`
	doctor, other := p.doctors[0].ID, p.doctors[1].ID
	p.w.db.Exec(fmt.Sprintf(shift, "assignments", doctor, other, hours, "") +
		fmt.Sprintf(shift, "assignment_claims", doctor, other, hours, fmt.Sprintf(", ended_at = ended_at - interval '%d hours'", hours)))
	p.pass(float64(hours))
}

func (p *playground) verify(r *rapid.T) {
	i := rapid.IntRange(0, 1).Draw(r, "doctor")
	p.verified[i] = !p.verified[i]
	p.w.db.Exec(`UPDATE doctor_profiles SET verified_at = CASE WHEN $2 THEN now() END WHERE id = $1`, p.doctors[i].ID, p.verified[i])
}

// drift ends an object's claims behind the controllers' backs.
func (p *playground) drift(r *rapid.T) {
	i := p.object(r, true)
	p.w.db.Exec(`UPDATE assignment_claims SET ended_at = now() WHERE owner = $1 AND ended_at IS NULL`, p.objects[i].uid)
	p.drop(p.ofOwner(i))
}

func (p *playground) check(r *rapid.T) {
	for doctor := range p.doctors {
		for patient := range p.patients {
			got := p.w.db.Count(`SELECT count(*) FROM active_assignments WHERE doctor_id = $1 AND patient_id = $2`, p.doctors[doctor].ID, p.patients[patient].ID)
			want := 0
			if p.access(duo{doctor, patient}) {
				want = 1
			}
			if got != want {
				r.Fatalf("doctor %d has %d assignments of patient %d, want %d; at %v the claims are %+v", doctor, got, patient, want, p.now, p.claims)
			}
		}
	}
	p.w.agree(r, "after a step")
}

// settle carries everything out, after which every object has what it declares, and nothing changes any more.
func (p *playground) settle(r *rapid.T) {
	for i, o := range p.objects {
		if !o.exists {
			continue
		}
		p.carryOut(r, i)
		for _, doctor := range o.doctors {
			for _, patient := range o.patients {
				_, held := p.objects[i].held[duo{doctor, patient}]
				now := !o.suspended && o.start <= p.now && p.now < o.end && p.verified[doctor] && !held
				if now && !p.access(duo{doctor, patient}) {
					r.Fatalf("object %d declares doctor %d for patient %d, and the model has no claim", i, doctor, patient)
				}
			}
		}
	}
	for i, o := range p.objects {
		if !o.exists {
			continue
		}
		result, err := p.w.Declarations.Declare(p.t.Context(), p.declaration(i))
		if err != nil || result.Changed {
			r.Fatalf("a repetition changed something: %+v, %v", result, err)
		}
		p.compare(r, i, result)
	}
	p.check(r)
}
