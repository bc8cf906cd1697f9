package service

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// DirectoryCache keeps pages of the doctor directory. It may lose everything at
// any moment and may fail: the directory then comes from Postgres.
type DirectoryCache interface {
	// Get returns the cached page under key, or a version to pass to Put and
	// false. Both are one answer so that a page read before a change is never
	// stored as if it were read after it.
	Get(ctx context.Context, key string) (page []byte, version string, ok bool)
	// Put stores the page unless the directory changed since version was read.
	Put(ctx context.Context, key, version string, page []byte)
	// Invalidate drops every page.
	Invalidate(ctx context.Context)
}

// Throttle bounds how often somebody may try. It never fails but for having seen
// too much: CodeTooMany.
type Throttle interface {
	// Login must be asked before a stranger's guess at a secret of the account is
	// compared, whether there is such an account or not; done is called with what
	// came of it. It counts by the account and by clinic.AddressOf.
	Login(ctx context.Context, account string) (done func(context.Context, error), err error)
	// Confirm is Login for a secret that the caller gives again within their session.
	// It counts by the session, and by the account over all of its sessions.
	Confirm(ctx context.Context, caller clinic.Caller) (done func(context.Context, error), err error)
	// Register must be asked before somebody registers.
	Register(ctx context.Context) error
}

// Options are the parts of a Service. DB is required; Passwords and Tokens are
// needed by whoever registers or logs people in.
type Options struct {
	DB                *store.DB
	Passwords         *token.Hasher
	Tokens            *token.Signer
	Directory         DirectoryCache        // nil: no cache
	Throttle          Throttle              // nil: nobody is slowed down
	AutoVerifyDoctors bool                  // verify a doctor's license at registration (development)
	BreakGlass        time.Duration         // how long emergency access lasts; 0: an hour
	SelfAssignment    clinic.SelfAssignment // "": clinic.SelfAssignmentConfirm
	TOTP              *token.TOTP           // nil: nobody can enrol a second factor
	TOTPRequired      []clinic.Role         // who may only enrol one until he has it
	Log               *slog.Logger          // nil: slog.Default()
}

// Service is the platform's use cases. It is safe for concurrent use.
type Service struct {
	db         *store.DB
	passwords  *token.Hasher
	tokens     *token.Signer
	directory  DirectoryCache
	throttle   Throttle
	autoVerify bool
	breakGlass time.Duration
	selfTerms  clinic.SelfAssignment
	selfMade   atomic.Int64 // self-assignments
	totp       *token.TOTP
	required   []clinic.Role // to have a second factor
	log        *slog.Logger
}

// New checks the options and returns the service.
func New(opts Options) (*Service, error) {
	if opts.DB == nil {
		return nil, errors.New("service needs a database")
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.BreakGlass == 0 {
		opts.BreakGlass = time.Hour
	}
	if opts.Throttle == nil {
		opts.Throttle = unthrottled{}
	}
	switch opts.SelfAssignment {
	case "":
		opts.SelfAssignment = clinic.SelfAssignmentConfirm
	case clinic.SelfAssignmentConfirm, clinic.SelfAssignmentOpen, clinic.SelfAssignmentOff:
	default:
		return nil, errors.New("service knows no such terms of self-assignment")
	}
	return &Service{
		db: opts.DB, passwords: opts.Passwords, tokens: opts.Tokens, directory: opts.Directory, throttle: opts.Throttle,
		autoVerify: opts.AutoVerifyDoctors, breakGlass: opts.BreakGlass, selfTerms: opts.SelfAssignment,
		totp: opts.TOTP, required: opts.TOTPRequired, log: opts.Log,
	}, nil
}

// admit is require for what touches patients' data: the refusal has an audit row.
func (s *Service) admit(ctx context.Context, caller clinic.Caller, object clinic.Object, message string, roles ...clinic.Role) error {
	if refusal := require(caller, message, roles...); refusal != nil {
		return s.db.Refused(ctx, caller, object, refusal)
	}
	return nil
}

// require refuses a caller whose role may never do this (403); message says who may.
func require(caller clinic.Caller, message string, roles ...clinic.Role) error {
	for _, r := range roles {
		if caller.Role == r {
			return nil
		}
	}
	return clinic.Forbidden(message)
}
