// Command bench measures the server, and plain statements that fetch the same rows beside it. It loads a private Postgres with
// patients, runs the server with all features on, sends requests to it from a process of its own, and prints tables; -write
// also writes docs/performance.md. `make bench` calls it in the module's directory. It needs Linux, whose /proc says how much
// CPU and memory a process has used. All programs listen on loopback only, and end with this program, however it ends.
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

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == generateCommand {
		if err := generate(os.Stdin, stdout); err != nil {
			_, _ = fmt.Fprintln(stderr, "bench: generating load:", err)
			return exitFailure
		}
		return 0
	}
	options, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "bench:", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends this program, and the kernel ends its children, at once
	err = measure(ctx, options, stdout, stderr)
	switch {
	case ctx.Err() != nil && !errors.Is(err, errLeft):
		_, _ = fmt.Fprintln(stderr, "bench: interrupted; all processes have ended, and their data is deleted")
		return exitInterrupted
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "bench:", err)
		return exitFailure
	}
	return 0
}
