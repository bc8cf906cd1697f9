package services

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
)

// StartStandby starts a hot standby of a running primary. It has the primary's roles and passwords, and only takes reads
// until Promote.
func StartStandby(ctx context.Context, primary *Postgres, options PostgresOptions) (*Postgres, error) {
	p := &Postgres{options: options}
	copied := func(ctx context.Context) error { return p.copyFrom(ctx, primary) }
	for _, step := range []func(context.Context) error{p.prepare, copied, p.Start} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("starting a standby of Postgres: %w", err), p.Stop(ctx))
		}
	}
	return p, nil
}

func (p *Postgres) copyFrom(ctx context.Context, primary *Postgres) error {
	p.password = primary.password
	command := exec.CommandContext(ctx, filepath.Join(p.binaries, "pg_basebackup"),
		"--dbname="+primary.dsn(superuser, superuser), "--pgdata="+p.data(), "--write-recovery-conf", "--checkpoint=fast")
	command.Dir = p.options.Dir
	command.SysProcAttr = &syscall.SysProcAttr{Credential: p.user}
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("copying the primary: %w\n%s", err, output)
	}
	return nil
}

// Promote makes a standby a primary, and returns once it takes writes.
func (p *Postgres) Promote(ctx context.Context) error { return p.Exec(ctx, "SELECT pg_promote()") }
