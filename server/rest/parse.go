package rest

import (
	"errors"
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
		return nil, clinic.Invalid(field, "must be a day such as 1980-02-29")
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
		return nil, clinic.Invalid(field, "must be a time such as 2025-05-27T10:00:00Z, or a day such as 2025-05-27")
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

// together returns one error with the faults of all, or nil.
func together(errs ...error) error {
	var all []clinic.FieldError
	for _, err := range errs {
		var invalid *clinic.Error
		if errors.As(err, &invalid) {
			all = append(all, invalid.Fields...)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return clinic.InvalidFields(all)
}
