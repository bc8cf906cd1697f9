package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit/process"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// stopTimeout is longer than the time that the server gives to requests in progress.
const stopTimeout = 30 * time.Second

// runner starts the parts in the order of their dependencies, and stops them in reverse order.
type runner struct {
	console *console
	root    string // the module's directory
	state   string // .dev in it
	bundles string // what to import first; "" for nothing

	postgres *services.Postgres
	redis    *services.Redis
	control  *services.ControlPlane
	parts    []part
	baseURL  string
	password string // of the first administrator

	fail  context.CancelCauseFunc // ends the run
	stops []func(context.Context) error
}

func newRunner(out *os.File, bundles string) (*runner, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the working directory: %w", err)
	}
	return &runner{
		console: newConsole(out), root: root, state: filepath.Join(root, ".dev"), bundles: bundles,
	}, nil
}

// errInterrupted means that a signal arrived before everything was ready.
var errInterrupted = errors.New("interrupted")

// run returns nil if everything was ready before the context signals ended.
func (r *runner) run(signals context.Context) error {
	unlock, err := r.lock(signals)
	if err != nil {
		return err
	}
	defer unlock()
	if err := r.forgetEnvironment(); err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(signals)
	defer fail(nil)
	r.fail = fail
	err = r.start(ctx)
	if err == nil {
		<-ctx.Done()
	}
	switch {
	case signals.Err() == nil && ctx.Err() != nil: // a program ended, which caused all other failures
		err = context.Cause(ctx)
	case signals.Err() != nil && err != nil:
		err = errInterrupted
	}
	return errors.Join(err, r.forgetEnvironment(), r.stop(ctx))
}

type step struct {
	what string
	do   func(context.Context) error
}

func (r *runner) steps() []step {
	steps := []step{
		{"starting Postgres", r.startPostgres},
		{"starting Redis", r.startRedis},
		{"starting the Kubernetes API server", r.startControlPlane},
		{"installing the custom resources", r.installResources},
		{"migrating the database", r.migrate},
		{"looking for the signing keys", r.makeKeys},
		{"looking for the administrator", r.createAdministrator},
	}
	if r.bundles != "" {
		steps = append(steps, step{"importing " + r.bundles, r.importBundles})
	}
	return append(steps, step{"starting the server, the worker and the controller", r.startParts})
}

func (r *runner) start(ctx context.Context) error {
	steps := r.steps()
	for i, step := range steps {
		r.console.say("%d/%d %s", i+1, len(steps), step.what)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	if err := r.writeEnvironment(); err != nil {
		return err
	}
	return r.printWalkthrough()
}

// watch makes the runner fail if a program ends by itself.
func (r *runner) watch(p *process.Process) {
	go func() {
		<-p.Done()
		ending := p.Err()
		if ending == nil {
			ending = errors.New("exit status 0")
		}
		r.fail(fmt.Errorf("%s ended unexpectedly: %w; its last lines:\n%s", p.Name(), ending, p.Tail()))
	}()
}

// atStop registers a function that stop calls before those registered earlier.
func (r *runner) atStop(name string, stop func(context.Context) error) {
	r.stops = append(r.stops, func(ctx context.Context) error {
		r.console.say("stopping %s", name)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return stop(ctx)
	})
}

func (r *runner) stop(ctx context.Context) error {
	var faults []error
	for _, stop := range slices.Backward(r.stops) {
		faults = append(faults, stop(ctx))
	}
	r.console.say("stopped; the data is kept in %s", r.state)
	return errors.Join(faults...)
}
