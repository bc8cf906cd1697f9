package rest

import (
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// parseDate parses YYYY-MM-DD. It returns nil for "".
func parseDate(field, s string) (*time.Time, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // the date is optional
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return nil, clinic.Invalid(field, "enter a date as YYYY-MM-DD")
	}
	return &t, nil
}

// parseBound parses an instant, or a day in UTC, to which it adds days. It returns nil for "".
func parseBound(field, s string, days int) (*time.Time, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // the bound is optional
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

// parseBool parses a parameter that the schema has checked. It returns nil for "".
func parseBool(s string) *bool {
	if s == "" {
		return nil
	}
	b := s == "true"
	return &b
}
