// Package scale_test measures the controller with many DoctorAssignment objects, beside a controller that does nothing. make
// test uses a few objects; make bench-controller uses many and checks limits.
package scale_test

import (
	"flag"
	"slices"
	"testing"
	"time"
)

var (
	objects  = flag.Int("objects", 40, "how many objects with one pair each")
	doctors  = flag.Int("doctors", 10, "how many doctors there are")
	teams    = flag.Int("teams", 2, "how many objects with -team doctors and -panel patients each")
	team     = flag.Int("team", 3, "doctors of each team")
	panel    = flag.Int("panel", 10, "patients of each team")
	largest  = flag.Int("largest", 50, "patients of one more team, the largest")
	samples  = flag.Int("samples", 3, "how many objects are created and deleted beside the others")
	limited  = flag.Bool("limits", false, "fail if a figure exceeds its limit")
	creators = flag.Int("creators", 8, "how many clients create objects at once")
)

// The limits of -limits, for two cores that also run the API server and Postgres.
const (
	// Of 1.47 times, an event for each object is 0.13; the rest is a transaction in Postgres with its audit row and the
	// event for the notifications.
	mostTimesIdle   = 1.6
	mostRestart     = 30 * time.Second
	mostAlone       = time.Second // 99th percentile
	mostMemory      = 150 << 20   // bytes
	mostLargestTeam = 30 * time.Second
)

// TestScale takes one controller through everything, because each step needs the objects of the one before.
func TestScale(t *testing.T) {
	idleTook := measureIdle(t)
	h := startHospital(t)
	h.measureObjects(t, idleTook)
	h.measureRestart(t)
	h.measureAlone(t)
	h.measureTeams(t)
}

// measureIdle returns how long the idle controller takes for the same objects.
func measureIdle(t *testing.T) time.Duration {
	t.Helper()
	c := newCluster(t)
	part := startPart(t, idleName)
	defer part.Stop(t)
	c.warmUp(t)
	began := time.Now()
	c.createAll(t, 0, *objects)
	created := time.Since(began)
	c.awaitReady(t, *objects)
	took := time.Since(began)
	t.Logf("%d objects, a controller that does nothing: created in %s, all Ready after %s", *objects, round(created), round(took))
	c.removeAll(t)
	return took
}

func (h *hospital) measureObjects(t *testing.T, idle time.Duration) {
	t.Helper()
	h.warmUp(t)
	before := h.usage(t)
	began := time.Now()
	h.createAll(t, 0, *objects)
	created := time.Since(began)
	h.awaitReady(t, *objects)
	took := time.Since(began)
	used := h.usage(t).since(before)
	times := float64(took) / float64(idle)
	t.Logf("%d objects, the controller: created in %s, all Ready after %s, %.2f times the idle one's; per object %s", *objects, round(created),
		round(took), times, used.perObject(*objects))
	limit(t, "the time until all objects are Ready, in times of the idle controller's", times, mostTimesIdle)
	limit(t, "memory", used.memory, mostMemory)
	h.expectPairs(t, *objects)
}

func (h *hospital) measureRestart(t *testing.T) {
	t.Helper()
	h.controller.Stop(t)
	writes, versions, statements := h.writes(t), h.versions(), h.statements()
	began := time.Now()
	h.restart(t)
	h.awaitSettled(t, *objects)
	took := time.Since(began)
	used := h.usage(t).since(usage{statements: statements})
	t.Logf("restart with %d objects: settled after %s, per object %s", *objects, round(took), used.perObject(*objects))
	limit(t, "the time to settle after a restart", took, mostRestart)
	if now := h.writes(t); now != writes {
		t.Errorf("the restart wrote %d rows", now-writes)
	}
	if changed := h.changed(versions); changed > 0 {
		t.Errorf("the restart wrote %d objects", changed)
	}
}

// measureAlone creates and deletes single objects while all others are reconciled again.
func (h *hospital) measureAlone(t *testing.T) {
	t.Helper()
	var ready, gone []time.Duration
	for i := range *samples {
		if i%10 == 0 {
			h.restart(t)
			h.awaitFirstPass(t) // of the many that follow its start
		}
		made, ended := h.createAndDelete(t, *objects+i)
		ready, gone = append(ready, made), append(gone, ended)
	}
	slices.Sort(ready)
	slices.Sort(gone)
	t.Logf("one object while %d are reconciled: Ready p50 %s p99 %s; its deletion effective p50 %s p99 %s (%d samples)", *objects,
		round(percentile(ready, 50)), round(percentile(ready, 99)), round(percentile(gone, 50)), round(percentile(gone, 99)), *samples)
	limit(t, "the time until one object is Ready, 99th percentile", percentile(ready, 99), mostAlone)
	limit(t, "the time until one deletion is effective, 99th percentile", percentile(gone, 99), mostAlone)
}

func (h *hospital) measureTeams(t *testing.T) {
	t.Helper()
	began := time.Now()
	h.createTeam(t, "largest", 0, *team, *largest)
	h.awaitReadyObject(t, "largest")
	took := time.Since(began)
	t.Logf("a team of %d x %d pairs: Ready after %s", *team, *largest, round(took))
	limit(t, "the time until the largest team is Ready", took, mostLargestTeam)

	before := h.usage(t)
	began = time.Now()
	for i := range *teams {
		h.createTeam(t, teamName(i), i, *team, *panel)
	}
	for i := range *teams {
		h.awaitReadyObject(t, teamName(i))
	}
	used := h.usage(t).since(before)
	t.Logf("%d teams of %d x %d pairs: Ready after %s; per object %s", *teams, *team, *panel, round(time.Since(began)), used.perObject(*teams))
	limit(t, "memory", used.memory, mostMemory)
}
