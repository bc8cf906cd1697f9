package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// violations maps the name of a constraint to the error of the caller who broke
// it. It is nil for a check that clinic's validation makes first: breaking that is a bug.
func violations(constraint string) error {
	switch constraint {
	case "users_username_key":
		return conflict("username_taken", "username", "this username is taken")
	case "doctor_profiles_license_number_key":
		return conflict("license_number_taken", "license_number", "this license number is already registered")
	case "idempotency_keys_register_key":
		return clinic.Conflict("idempotency_key_reused", "this Idempotency-Key was used for another request")
	case "erasures_patient_id_key":
		return clinic.Conflict("erasure_requested", "the erasure was requested before; another administrator has to confirm it")
	case "assignments_period", "assignment_claims_period":
		return conflict("assignment_over", "ends_at", "the assignment would end before it begins; enter a later time")
	}
	return dangling(constraint)
}

func conflict(reason, field, message string) error {
	e := clinic.Conflict(reason, message)
	e.Fields = []clinic.FieldError{{Field: field, Message: message}}
	return e
}

// dangling maps the name of a foreign key to the error of a caller whose new row
// refers to something that does not exist, or was deleted since the statement found it.
func dangling(foreignKey string) error {
	switch foreignKey {
	case "doctor_comments_record_fkey", "notifications_record_fkey", "record_search_record_fkey":
		return clinic.NotFound("health record")
	case "notifications_comment_fkey", "comment_versions_comment_fkey":
		return clinic.NotFound("comment")
	case "assignments_patient_fkey", "assignment_claims_patient_fkey", "notifications_patient_fkey", "legal_holds_patient_fkey", "record_versions_patient_fkey":
		return clinic.NotFound("patient")
	case "assignments_doctor_fkey", "assignment_claims_doctor_fkey", "assignment_counts_doctor_fkey", "notifications_doctor_fkey":
		return clinic.NotFound("doctor")
	case "notifications_user_fkey", "reset_codes_user_fkey":
		return clinic.NotFound("user")
	case "notifications_assignment_fkey":
		return clinic.NotFound("assignment")
	case "recovery_codes_factor_fkey":
		return clinic.Conflict("totp_not_enrolled", "the second factor was removed; enroll one first")
	case "refresh_tokens_session_fkey":
		return sessionEnded()
	case "patient_profiles_user_fkey", "doctor_profiles_user_fkey", "health_records_patient_fkey",
		"health_records_created_by_fkey", "doctor_comments_doctor_fkey", "assignments_requested_by_fkey", "assignment_claims_requested_by_fkey", "sessions_user_fkey",
		"totp_factors_user_fkey", "idempotency_keys_user_fkey", "notifications_recipient_fkey", "name_versions_user_fkey", "callers_user_fkey",
		"notification_counts_recipient_fkey", "record_counts_patient_fkey", "pending_names_doctor_fkey": // the caller's own account
		return accountInactive()
	}
	return nil
}

func accountInactive() error {
	return clinic.Unauthenticated("this account is no longer active").WithReason("account_inactive")
}

func sessionEnded() error {
	return clinic.Unauthenticated("this session has ended; log in again").WithReason("session_ended")
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

// SQLSTATEs that functions of the schema fail with.
const (
	inactiveAccount = "HR001"
	endedSession    = "HR002"
	erasedAccount   = "HR003" // of a patient whose data was erased
)

// explain is translate for operators: it also says why no connection was made. That comes before the first row,
// so it quotes none, and pgx leaves the password out.
func explain(err error) error {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return fmt.Errorf("%w: %w", translate(err), connect)
	}
	return translate(err)
}

// translatePg maps SQLSTATE classes (PostgreSQL manual, appendix A).
func translatePg(pg *pgconn.PgError) error {
	if pg.Code == inactiveAccount {
		return accountInactive()
	}
	if pg.Code == endedSession {
		return sessionEnded()
	}
	if pg.Code == erasedAccount {
		return clinic.Erased()
	}
	if told := violations(pg.ConstraintName); told != nil {
		return told
	}
	switch class := pg.Code[:min(2, len(pg.Code))]; {
	case class == "08", class == "53", class == "57", class == "40", class == "55",
		pg.Code == "25006", pg.Code == "25P03": // connection, resources, operator intervention, rollback, lock, read-only replica, idle for too long
		return clinic.Unavailable(pg)
	}
	return clinic.Internal(pg)
}

// RolledBack reports whether Postgres rolled a transaction back because of a concurrent
// one (class 40), so that another attempt may succeed.
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

// orNotFound is translate for a statement that must find a row. No row means that what
// does not exist for this caller.
func orNotFound(err error, what string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return clinic.NotFound(what)
	}
	return translate(err)
}
