// Command dev runs the whole platform on this machine, for development: a private Postgres, Redis and Kubernetes API
// server, and the server, the worker and the controller on top of them. `make run` calls it in the module's directory.
// All programs listen on loopback only, keep their state in .dev, and end with this program, however it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const (
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout *os.File, stderr io.Writer) int {
	flags := flag.NewFlagSet("dev", flag.ContinueOnError)
	flags.SetOutput(stderr)
	bundles := flags.String("import", "", "file or directory of FHIR bundles to load first")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends this program, and the kernel ends its children, at once

	r, err := newRunner(stdout, *bundles)
	if err == nil {
		err = r.run(ctx)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	default:
		_, _ = fmt.Fprintln(stderr, "dev:", err)
		return exitFailure
	}
}
