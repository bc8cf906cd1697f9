package service_test

import (
	"math"
	"slices"
)

// The model of claims that TestClaimsFollowTheModel compares the platform with. Its times are hours.

var never = math.Inf(1)

// duo is a pair: the places of a doctor and of a patient.
type duo struct{ doctor, patient int }

// modelClaim is an open claim.
type modelClaim struct {
	owner int // the object; -1: REST
	duo
	start, end float64
}

func (c modelClaim) covers(now float64) bool { return c.start <= now && now < c.end }

// modelObject is a DoctorAssignment.
type modelObject struct {
	uid                      string
	exists, suspended, adopt bool
	generation, carried      int64
	doctors, patients        []int
	start, end               float64 // start: -1 for at once
	held                     map[duo]int64
	fresh                    bool // not carried out yet as it is
}

type model struct {
	now      float64
	claims   []modelClaim
	objects  []modelObject
	verified []bool
}

// access reports whether a claim gives the doctor access now.
func (m *model) access(pair duo) bool {
	return m.verified[pair.doctor] && m.claimed(pair)
}

func (m *model) claimed(pair duo) bool {
	return slices.ContainsFunc(m.claims, func(c modelClaim) bool { return c.duo == pair && c.covers(m.now) })
}

// counts returns how many of an object's pairs it claims, and to how many its doctors have access.
func (m *model) counts(owner int) (claims, assigned int) {
	o := &m.objects[owner]
	for _, doctor := range o.doctors {
		for _, patient := range o.patients {
			pair := duo{doctor, patient}
			if slices.ContainsFunc(m.claims, func(c modelClaim) bool { return c.owner == owner && c.duo == pair }) {
				claims++
			}
			if m.access(pair) {
				assigned++
			}
		}
	}
	return claims, assigned
}

// drop ends claims.
func (m *model) drop(which func(modelClaim) bool) { m.claims = slices.DeleteFunc(m.claims, which) }

func (m *model) ofOwner(owner int) func(modelClaim) bool {
	return func(c modelClaim) bool { return c.owner == owner }
}

// pass moves the clock, and drops what is over.
func (m *model) pass(hours float64) {
	m.now += hours
	m.drop(func(c modelClaim) bool { return c.end <= m.now })
	for i := range m.objects {
		if o := &m.objects[i]; o.start >= 0 || o.end < never {
			o.fresh = true // the test shifts the rows and the specs, which changes the specs
		}
	}
}

// declare carries an object out.
func (m *model) declare(owner int) {
	o := &m.objects[owner]
	fresh := o.fresh
	o.fresh, o.carried = false, o.generation
	for pair, generation := range o.held {
		if generation < o.generation {
			delete(o.held, pair)
		}
	}
	if o.suspended || o.end <= m.now {
		m.drop(m.ofOwner(owner))
		return
	}
	m.keepDeclared(owner)
	begin := max(o.start, m.now)
	for _, doctor := range o.doctors {
		for _, patient := range o.patients {
			pair := duo{doctor, patient}
			if _, held := o.held[pair]; held || !m.verified[doctor] {
				continue
			}
			if o.adopt && fresh {
				m.endREST(pair, begin)
			}
			if !slices.ContainsFunc(m.claims, func(c modelClaim) bool { return c.owner == owner && c.duo == pair }) {
				m.claims = append(m.claims, modelClaim{owner, pair, begin, o.end})
			}
		}
	}
}

// keepDeclared ends and adjusts the claims that an object has.
func (m *model) keepDeclared(owner int) {
	o := &m.objects[owner]
	begin := max(o.start, m.now)
	waits := o.start > m.now
	able := slices.ContainsFunc(o.doctors, func(doctor int) bool { return m.verified[doctor] })
	var starts []float64
	for _, c := range m.claims {
		if c.owner == owner && slices.Contains(o.doctors, c.doctor) {
			starts = append(starts, c.start)
		}
	}
	var kept []modelClaim
	for _, c := range m.claims {
		doctor, patient := slices.Contains(o.doctors, c.doctor), slices.Contains(o.patients, c.patient)
		switch {
		case c.owner != owner:
			kept = append(kept, c)
		case doctor && patient && (c.start > m.now || !waits):
			if c.start > m.now {
				c.start = begin
			}
			c.end = o.end
			kept = append(kept, c)
		case !doctor && patient && len(o.doctors) == 1 && !able && c.start < o.end:
			c.end = min(c.end, o.end)
			kept = append(kept, c)
		case !doctor && patient && len(o.doctors) == 1 && !able: // would begin after the end
		case !doctor && patient && len(o.doctors) == 1 && waits && c.start < o.start:
			if slices.Contains(starts, c.end) {
				c.end = o.start
			}
			c.end = min(c.end, o.start)
			kept = append(kept, c)
		}
	}
	m.claims = kept
}

// endREST makes claims of REST of the pair end at that time.
func (m *model) endREST(pair duo, at float64) {
	for i := range m.claims {
		if c := &m.claims[i]; c.owner == -1 && c.duo == pair {
			c.end = min(c.end, max(at, c.start))
		}
	}
	m.drop(func(c modelClaim) bool { return c.end <= m.now || c.end <= c.start })
}

// addREST adds a claim of REST. One that begins later makes room; grow says whether an earlier one grows.
func (m *model) addREST(pair duo, start, end float64, grow bool) {
	for i := range m.claims {
		c := &m.claims[i]
		if c.owner != -1 || c.duo != pair {
			continue
		}
		if c.start > max(start, m.now) {
			if c.start <= end {
				end = max(end, c.end)
			}
			c.start, c.end = start, end
			return
		}
		if grow && c.start <= end && start <= c.end {
			c.start, c.end = min(c.start, start), max(c.end, end)
		}
		return
	}
	m.claims = append(m.claims, modelClaim{-1, pair, start, end})
}

// retain makes claims of REST from an object's.
func (m *model) retain(owner int) {
	var own []modelClaim
	for _, c := range m.claims {
		if c.owner == owner {
			own = append(own, c)
		}
	}
	m.drop(m.ofOwner(owner))
	for _, c := range own {
		m.addREST(c.duo, c.start, c.end, true)
	}
}

// end ends the REST claim of the assignment that the pair has now, and reports whether there was one.
func (m *model) end(pair duo) bool {
	until := m.now
	for range m.claims { // grows claim by claim
		for _, c := range m.claims {
			if c.duo == pair && c.start <= until {
				until = max(until, c.end)
			}
		}
	}
	before := len(m.claims)
	m.drop(func(c modelClaim) bool { return c.owner == -1 && c.duo == pair && c.start < until })
	return len(m.claims) < before
}

// force ends all claims of the pair and holds the objects.
func (m *model) force(pair duo) {
	for _, c := range m.claims {
		if c.duo == pair && c.owner >= 0 {
			m.objects[c.owner].held[pair] = m.objects[c.owner].carried
		}
	}
	m.drop(func(c modelClaim) bool { return c.duo == pair })
}

func (m *model) lift(pair duo) {
	for i := range m.objects {
		delete(m.objects[i].held, pair)
	}
}
