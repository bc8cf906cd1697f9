package store

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

var errBadURL = errors.New("the database URL cannot be parsed: use postgres://user:password@host:port/database")

// violation is what a named constraint says to the person who broke it.
type violation struct{ reason, field, message string }

// violations maps constraint names to their messages. A constraint without an
// entry is a check that clinic's validation makes first: breaking it is a bug.
func violations(constraint string) (violation, bool) {
	v, ok := map[string]violation{
		"users_username_key":                 {"username_taken", "username", "this username is taken"},
		"doctor_profiles_license_number_key": {"license_number_taken", "license_number", "this license number is registered already"},
		"idempotency_keys_register_key":      {"idempotency_key_reused", "", "this Idempotency-Key was used for another request"},
		"assignments_one_active":             {"already_assigned", "doctor_id", "this doctor is assigned to this patient at that time already"},
	}[constraint]
	return v, ok
}

// translate turns an error of pgx into a clinic error. The driver's error stays
// as the cause for errors.Is, and is never printed: it may quote a row.
func translate(err error) error {
	var own *clinic.Error
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.Is(err, context.Canceled):
		return clinic.Unavailable(context.Canceled)
	case errors.As(err, &connect): // also a refused login: its role or password is being changed
		return clinic.Unavailable(err)
	case errors.As(err, &pg):
		return translatePg(pg)
	case unavailable(err):
		return clinic.Unavailable(err)
	}
	return clinic.Internal(err)
}

// SQLSTATEs that the function identify fails with.
const (
	inactiveAccount = "HR001"
	endedSession    = "HR002"
)

// translatePg maps SQLSTATE classes (PostgreSQL manual, appendix A).
func translatePg(pg *pgconn.PgError) error {
	if pg.Code == inactiveAccount {
		return clinic.Unauthenticated("this account is not active any more").WithReason("account_inactive")
	}
	if pg.Code == endedSession {
		return clinic.Unauthenticated("this session has ended; log in again").WithReason("session_ended")
	}
	if v, ok := violations(pg.ConstraintName); ok {
		e := clinic.Conflict(v.reason, v.message)
		if v.field != "" {
			e.Fields = []clinic.FieldError{{Field: v.field, Message: v.message}}
		}
		return e
	}
	switch class := pg.Code[:min(2, len(pg.Code))]; {
	case class == "08", class == "53", class == "57", class == "40", class == "55",
		pg.Code == "25006": // connection, resources, operator intervention, rollback, lock, read-only replica
		return clinic.Unavailable(pg)
	}
	return clinic.Internal(pg)
}

// RolledBack reports whether Postgres rolled a transaction back because of what
// others did at the same time (class 40), so that it may succeed when it is tried again.
func RolledBack(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && strings.HasPrefix(pg.Code, "40")
}

func unavailable(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) ||
		pgconn.SafeToRetry(err) || errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "unexpected EOF") ||
		strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "closed pool")
}

// orNotFound is translate for a statement that must find a row: none means that
// what does not exist for this caller.
func orNotFound(err error, what string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return clinic.NotFound(what)
	}
	return translate(err)
}

func isUndefinedTable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42P01"
}
