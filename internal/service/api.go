package service

import (
	"errors"
	"log/slog"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// API has the use cases that the HTTP API offers. They are safe for concurrent use.
type API struct {
	Accounts      *Accounts      // registration, profiles, passwords, disabling
	Sessions      *Sessions      // login, refresh, logout
	SecondFactors *SecondFactors // of the caller
	Resets        *Resets        // new passwords without the old one
	Records       *Records       // health records
	Search        *Search        // of health records
	Comments      *Comments      // on records
	Doctors       *Doctors       // the directory, and verification
	Patients      *Patients      // lists of patients
	Users         *Users         // lists of accounts
	Assignments   *Assignments   // who has access to whom, and emergency access
	Notifications *Notifications // of the caller
	Erasures      *Erasures      // legal holds, and the erasure of a patient's data
	AuditLog      *AuditLog      // the audit log, and a patient's access log
}

// APIOptions are the parts of an API. DB, Passwords and Tokens are required.
type APIOptions struct {
	DB                *store.DB
	Passwords         *token.Hasher
	Tokens            *token.Signer
	Directory         DirectoryCache        // nil: no cache
	Throttle          Throttle              // nil: no limits
	AutoVerifyDoctors bool                  // see AccountsOptions
	BreakGlass        time.Duration         // see AssignmentsOptions
	SelfAssignment    clinic.SelfAssignment // see AssignmentsOptions
	ResetCodeLifetime time.Duration         // see ResetsOptions
	TOTP              *token.TOTP           // nil: second factors are not available
	TOTPRequired      []clinic.Role         // see SessionsOptions
	SessionsPerUser   int                   // see SessionsOptions
	CommentCorrection time.Duration         // how long authors can correct a comment; 0: not at all
	SearchLanguage    clinic.Language       // of records without one; "": LanguageSimple
	Log               *slog.Logger          // nil: slog.Default()
}

// NewAPI makes the use cases, each with the parts that it needs.
func NewAPI(opts APIOptions) (*API, error) {
	auth, err := NewAuthenticator(AuthenticatorOptions{DB: opts.DB, Passwords: opts.Passwords, Throttle: opts.Throttle, TOTP: opts.TOTP})
	if err != nil {
		return nil, err
	}
	sessions, errSessions := NewSessions(SessionsOptions{
		DB: opts.DB, Authenticator: auth, Tokens: opts.Tokens, TOTPRequired: opts.TOTPRequired, Log: opts.Log,
		PerUser: opts.SessionsPerUser,
	})
	assignments, errAssignments := NewAssignments(AssignmentsOptions{
		DB: opts.DB, Authenticator: auth, BreakGlass: opts.BreakGlass, SelfAssignment: opts.SelfAssignment, Log: opts.Log,
	})
	resets, errResets := NewResets(ResetsOptions{DB: opts.DB, Authenticator: auth, Lifetime: opts.ResetCodeLifetime})
	if err := errors.Join(errSessions, errAssignments, errResets); err != nil {
		return nil, err
	}
	accounts, err := NewAccounts(AccountsOptions{
		DB: opts.DB, Authenticator: auth, Sessions: sessions, Directory: opts.Directory, AutoVerifyDoctors: opts.AutoVerifyDoctors,
	})
	if err != nil {
		return nil, err
	}
	return &API{
		Accounts: accounts, Sessions: sessions, SecondFactors: NewSecondFactors(opts.DB, auth, opts.TOTPRequired), Resets: resets,
		Records: NewRecords(opts.DB), Search: NewSearch(opts.DB, opts.SearchLanguage), Comments: NewComments(opts.DB, opts.CommentCorrection), Users: NewUsers(opts.DB),
		Doctors: NewDoctors(opts.DB, opts.Directory), Patients: NewPatients(opts.DB),
		Assignments: assignments, Notifications: NewNotifications(opts.DB), Erasures: NewErasures(opts.DB), AuditLog: NewAuditLog(opts.DB),
	}, nil
}
