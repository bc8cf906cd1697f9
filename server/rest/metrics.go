package rest

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/service"
)

// countEmergencies registers the counter of emergency accesses. Counting requests would be wrong: a repeated one opens nothing.
func countEmergencies(metrics prometheus.Registerer) (prometheus.Counter, error) {
	opened := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "healthrecords_break_glass_total",
		Help: "Emergency accesses that doctors opened.",
	})
	if metrics == nil {
		return opened, nil
	}
	if err := metrics.Register(opened); err != nil {
		return nil, fmt.Errorf("registering the metric of emergency accesses: %w", err)
	}
	return opened, nil
}

// countSelfAssignments exposes the service's counter. Counting requests would be wrong: a repeated one creates nothing.
func countSelfAssignments(s *service.API, metrics prometheus.Registerer) error {
	if metrics == nil {
		return nil
	}
	_, terms := s.Assignments.SelfAssignments()
	err := metrics.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "healthrecords_self_assignments_total", ConstLabels: prometheus.Labels{"mode": string(terms)},
		Help: "Assignments that doctors created for themselves, by the value of DOCTOR_SELF_ASSIGNMENT.",
	}, func() float64 {
		made, _ := s.Assignments.SelfAssignments()
		return float64(made)
	}))
	if err != nil {
		return fmt.Errorf("registering the metric of self-assignments: %w", err)
	}
	return nil
}
