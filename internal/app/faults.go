package app

import (
	"errors"
	"strings"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/postgres"
)

const insufficientPrivilege = "42501" // SQLSTATE

// told returns the text of a command's error. An error of the domain speaks of fields and of the service; here, fields
// are flags.
func told(err error) string {
	var known *clinic.Error
	if !errors.As(err, &known) {
		return err.Error()
	}
	return strings.Replace(err.Error(), known.Error(), spoken(known), 1)
}

func spoken(e *clinic.Error) string {
	if postgres.HasCode(e, insufficientPrivilege) {
		return "the database user lacks a right; use the owner of the schema"
	}
	switch e.Code { //nolint:exhaustive // the messages of the others fit
	case clinic.CodeInvalid:
		texts := make([]string, 0, len(e.Fields))
		for _, f := range e.Fields {
			texts = append(texts, flagOf(f.Field)+": "+f.Message)
		}
		return strings.Join(texts, "; ")
	case clinic.CodeUnavailable:
		return "the database is not available at the moment, or refuses the login"
	case clinic.CodeInternal:
		return "an internal error, whose cause is not shown because it may quote data"
	}
	return e.Message
}

// flagOf returns the flag that gives a field its value. There is no flag for a password.
func flagOf(field string) string {
	if field == "password" {
		return "the password"
	}
	return "--" + strings.ReplaceAll(field, "_", "-")
}
