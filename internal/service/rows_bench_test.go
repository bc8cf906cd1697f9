package service_test

import (
	"slices"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
)

// reads are the important read statements of a caller, by name.
func (l readers) reads(t testing.TB) map[string]func(*service.API) error {
	t.Helper()
	ctx := t.Context()
	return map[string]func(*service.API) error{
		"records of a doctor": func(s *service.API) error {
			_, err := s.Records.List(ctx, l.doctor, clinic.RecordFilter{}, clinic.PageRequest{})
			return err
		},
		"records of a patient": func(s *service.API) error {
			_, err := s.Records.List(ctx, l.patient, clinic.RecordFilter{}, clinic.PageRequest{})
			return err
		},
		"record to a doctor": func(s *service.API) error {
			_, err := s.Records.Get(ctx, l.doctor, l.record)
			return err
		},
		"record to its patient": func(s *service.API) error {
			_, err := s.Records.Get(ctx, l.patient, l.record)
			return err
		},
		"comments": func(s *service.API) error {
			_, err := s.Comments.List(ctx, l.doctor, l.record, clinic.PageRequest{})
			return err
		},
		"my patients": func(s *service.API) error {
			_, err := s.Patients.OfDoctor(ctx, l.doctor, clinic.PageRequest{})
			return err
		},
		"notifications": func(s *service.API) error {
			_, err := s.Notifications.List(ctx, l.doctor, clinic.NotificationFilter{}, clinic.PageRequest{})
			return err
		},
		"assignments": func(s *service.API) error {
			_, err := s.Assignments.List(ctx, l.doctor, clinic.AssignmentFilter{}, clinic.PageRequest{})
			return err
		},
		"directory": func(s *service.API) error {
			_, err := s.Doctors.List(ctx, l.patient, clinic.DoctorFilter{Search: "General"}, clinic.PageRequest{})
			return err
		},
		"patients": func(s *service.API) error {
			_, err := s.Patients.List(ctx, l.admin, "", clinic.PageRequest{})
			return err
		},
		"search of patients": func(s *service.API) error {
			_, err := s.Patients.List(ctx, l.admin, "ledger7", clinic.PageRequest{})
			return err
		},
	}
}

// BenchmarkRowSecurity alternates each read between the owner, whose policies are
// true and cost nothing, and the server, and reports how many times longer the
// server's takes. It uses medians, since other programs use the machine too.
func BenchmarkRowSecurity(b *testing.B) {
	l := newReaders(b, 1000, 100)
	for name, read := range l.reads(b) {
		b.Run(name, func(b *testing.B) {
			both := []*service.API{l.owner, l.server}
			times := map[*service.API][]time.Duration{}
			for range 10 { // after some, Postgres keeps the plans of a connection
				for _, s := range both {
					if err := read(s); err != nil {
						b.Fatal(err)
					}
				}
			}
			for b.Loop() {
				for _, s := range both {
					start := time.Now()
					if err := read(s); err != nil {
						b.Fatal(err)
					}
					times[s] = append(times[s], time.Since(start))
				}
			}
			median := func(s *service.API) float64 {
				slices.Sort(times[s])
				return float64(times[s][len(times[s])/2].Microseconds())
			}
			b.ReportMetric(median(l.owner), "open-µs")
			b.ReportMetric(median(l.server), "protected-µs")
			b.ReportMetric(median(l.server)/median(l.owner), "times")
		})
	}
}
