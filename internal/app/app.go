// Package app wires the parts of the platform together: one file per
// subcommand. Nothing imports it but main and tests.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker: -X .../internal/app.version=v1.2.3.
var version string

// Version returns the release that this binary was built from, or the commit if it
// was not built from a release.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return "development"
}

// Main runs the command line and returns the process's exit code: 0 for
// success, 1 for a failure, which is printed to stderr. SIGINT and SIGTERM end
// the context, and running parts drain. A second signal kills the process at once.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		if !errors.Is(err, errReported) {
			_, _ = fmt.Fprintln(stderr, "healthrecords:", told(err))
		}
		return 1
	}
	return 0
}

// newParent returns a command that only has subcommands. An unknown subcommand is an error. By default, cobra reports this
// error for the root command only; for other commands it prints the help and exits with 0.
func newParent(use, short string, children ...*cobra.Command) *cobra.Command {
	parent := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	parent.AddCommand(children...)
	return parent
}

// errReported is a failure that the command has already printed.
var errReported = errors.New("failed")

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "healthrecords",
		Short:         "Health records with clinical access declared in Kubernetes",
		Long:          "healthrecords runs the parts of the health record platform. Environment variables configure\nthem; `healthrecords SUBCOMMAND --help` lists the variables of a part.",
		Version:       Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		newServerCommand(),
		newWorkerCommand(),
		newControllerCommand(),
		newMigrateCommand(),
		newAdminCommand(),
		newKeysCommand(),
		newImportCommand(),
		newAuditCommand(),
		newCheckCommand(),
		newOpenAPICommand(),
	)
	return root
}
