package app

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

func TestErrorsOfTheDomainAreToldInTheTermsOfTheCommandLine(t *testing.T) {
	t.Parallel()
	r := clinic.Registration{Username: "", Password: "short", Email: "x", Role: clinic.RoleAdmin}
	for want, err := range map[string]error{
		"creating: --username: must not be empty: use 1 to 150 characters that can be seen; --email: enter an email address such as jane@example.org; " +
			"the password: use 8 to 128 characters": r.Validate(),
		"creating: this username is taken":                                                clinic.Conflict("username_taken", "this username is taken"),
		"creating: the database is not available at the moment, or refuses the login":     clinic.Unavailable(errors.New("row")),
		"creating: an internal error, whose cause is not shown because it may quote data": clinic.Internal(errors.New("row")),
		"creating: the database user lacks a right; use the owner of the schema":          clinic.Internal(&pgconn.PgError{Code: "42501", Message: "row"}),
		"creating: no such file": errors.New("no such file"),
	} {
		if got := told(fmt.Errorf("creating: %w", err)); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}
