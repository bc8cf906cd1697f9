package service_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// BenchmarkDeclareATeam declares the pairs of 20 doctors and the most patients, once to begin the assignments, once without a
// change, and once to end them.
func BenchmarkDeclareATeam(b *testing.B) {
	w := newWard(b, 0)
	w.many(clinic.MaxDeclared)
	d := w.wish(0)
	d.Replace, d.Doctors, d.Patients = false, nil, names(clinic.MaxDeclared)
	for i := range 20 {
		d.Doctors = append(d.Doctors, w.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: fmt.Sprintf("team%d", i)}}).User.Username)
	}
	for b.Loop() {
		measure := func(name string, call func() error) {
			start := time.Now()
			testkit.Must(b, call())
			b.ReportMetric(time.Since(start).Seconds(), name+"-s")
		}
		measure("begin", func() error { _, err := w.Declarations.Declare(b.Context(), d); return err })
		measure("repeat", func() error { _, err := w.Declarations.Declare(b.Context(), d); return err })
		measure("states", func() error { _, err := w.Declarations.States(b.Context(), d.Cluster, []string{d.UID}); return err })
		d.EndsAt = new(time.Now().Add(time.Hour))
		measure("adjust", func() error { _, err := w.Declarations.Declare(b.Context(), d); return err })
		d.EndsAt = nil
		measure("release", func() error { _, err := w.Declarations.Release(b.Context(), d.Owner); return err })
	}
}

// BenchmarkDeclareAPair declares objects of one pair each, once to begin the assignment and once without a change, and reads
// the states of a thousand objects.
func BenchmarkDeclareAPair(b *testing.B) {
	const objects = 1000
	w := newWard(b, 0)
	w.many(objects)
	var d clinic.Declaration
	var uids []string
	declare := func(i int) {
		d = byAnother(w.wish(0), fmt.Sprintf("uid-%d", i))
		d.Patients = []string{fmt.Sprintf("many%d", i+1)}
		testkit.Value(w.Declarations.Declare(b.Context(), d))(b)
	}
	for b.Loop() {
		start := time.Now()
		for i := range objects {
			declare(i)
			uids = append(uids, d.UID)
		}
		b.ReportMetric(time.Since(start).Seconds()*1000/objects, "begin-ms")
		start = time.Now()
		for i := range objects {
			declare(i)
		}
		b.ReportMetric(time.Since(start).Seconds()*1000/objects, "repeat-ms")
		start = time.Now()
		testkit.Value(w.Declarations.States(b.Context(), d.Cluster, uids[:objects]))(b)
		b.ReportMetric(time.Since(start).Seconds()*1000, "states-ms")
	}
}
