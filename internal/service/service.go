package service

import (
	"context"
	"errors"
	"log/slog"

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

// Options are the parts of a Service. DB is required; Passwords and Tokens are
// needed by whoever registers or logs people in.
type Options struct {
	DB                *store.DB
	Passwords         *token.Hasher
	Tokens            *token.Signer
	Directory         DirectoryCache // nil: no cache
	AutoVerifyDoctors bool           // verify a doctor's licence at registration (development)
	Log               *slog.Logger   // nil: slog.Default()
}

// Service is the platform's use cases. It is safe for concurrent use.
type Service struct {
	db         *store.DB
	passwords  *token.Hasher
	tokens     *token.Signer
	directory  DirectoryCache
	autoVerify bool
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
	return &Service{
		db: opts.DB, passwords: opts.Passwords, tokens: opts.Tokens, directory: opts.Directory,
		autoVerify: opts.AutoVerifyDoctors, log: opts.Log,
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
