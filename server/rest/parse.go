package rest

import (
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// parseDate reads YYYY-MM-DD; "" is no date.
func parseDate(field, s string) (*time.Time, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no date is not a fault
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return nil, clinic.Invalid(field, "enter a date as YYYY-MM-DD")
	}
	return &t, nil
}

// parseBound reads an instant, or a day of UTC, to which days are added.
func parseBound(field, s string, days int) (*time.Time, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no bound is not a fault
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return &t, nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return nil, clinic.Invalid(field, "enter a time such as 2025-05-27T10:00:00Z, or a day such as 2025-05-27")
	}
	t = t.AddDate(0, 0, days)
	return &t, nil
}

// parseBool reads a parameter that the schema has checked; "" is nil.
func parseBool(s string) *bool {
	if s == "" {
		return nil
	}
	b := s == "true"
	return &b
}
