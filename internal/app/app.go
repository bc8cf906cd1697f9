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
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/kubectl"
	"github.com/healthrecords/healthrecords/internal/settings"
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

// Run runs the program whose arguments, including its name, are args. Under the names of the plugin for kubectl, it is the
// plugin. It returns the process's exit code.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if plugin := kubectl.Invoked(args); plugin != nil {
		return execute(plugin, stdin, stdout, stderr)
	}
	return Main(args[min(1, len(args)):], stdin, stdout, stderr)
}

// Main runs the command line and returns the process's exit code: 0 for
// success, 1 for a failure, which is printed to stderr. SIGINT and SIGTERM end
// the context, and running parts drain. A second signal kills the process at once.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	return execute(root, stdin, stdout, stderr)
}

func execute(root *cobra.Command, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		if code, isPlugin := kubectl.Report(stderr, err); isPlugin {
			return code
		}
		if !errors.Is(err, errReported) {
			_, _ = fmt.Fprintln(stderr, "healthrecords:", told(err))
		}
		for _, near := range settings.Misspelled() {
			_, _ = fmt.Fprintf(stderr, "healthrecords: %s has no effect; did you mean %s?\n", near.Variable, near.Setting)
		}
		return 1
	}
	return 0
}

// newParent returns a command that only has subcommands. An unknown subcommand is an error. By default, cobra reports this
// error for the root command only; for other commands it prints the help and exits with 0.
func newParent(use, short string, children ...*cobra.Command) *cobra.Command {
	parent := &cobra.Command{
		Use: use, Short: short, DisableFlagsInUseLine: true, SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	parent.Args = func(cmd *cobra.Command, args []string) error {
		err := cobra.NoArgs(cmd, args)
		if err == nil {
			return nil
		}
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return fmt.Errorf("%w\n\nDid you mean this?\n\t%s\n", err, strings.Join(near, "\n\t")) //nolint:revive,staticcheck // as cobra's own
		}
		return err
	}
	parent.AddCommand(children...)
	return parent
}

// takesNoArguments is for commands without subcommands, where cobra.NoArgs would complain about an unknown command.
func takesNoArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("`%s` takes flags, but no arguments; see `%[1]s --help`", cmd.CommandPath())
	}
	return nil
}

// takesUsername requires one argument.
func takesUsername(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("`%s` takes one username; see `%[1]s --help`", cmd.CommandPath())
	}
	return nil
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
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.AddCommand(
		newServerCommand(),
		newWorkerCommand(),
		newControllerCommand(),
		newMigrateCommand(),
		newAdminCommand(),
		newPatientsCommand(),
		newKeysCommand(),
		newImportCommand(),
		newAuditCommand(),
		newCountsCommand(),
		newSearchCommand(),
		newCheckCommand(),
		newOpenAPICommand(),
		kubectl.New("kubectl"),
	)
	return root
}
