// Package kubectl is `kubectl healthrecords`, a plugin of kubectl: it writes DoctorAssignments, explains their status, and
// shows who has access to whom. The program is the plugin if it is installed under the plugin's name.
package kubectl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// The names by which kubectl finds the plugin and its completion on the PATH.
const (
	pluginName     = "kubectl-healthrecords"
	completionName = "kubectl_complete-healthrecords"
)

// plugin is what the commands share.
type plugin struct {
	connection
	now    func() time.Time
	getenv func(string) string
}

// Invoked returns the plugin's command with its arguments if the program, whose arguments are args, was started under one
// of the plugin's names. Otherwise, it returns nil.
func Invoked(args []string) *cobra.Command {
	if len(args) == 0 {
		return nil
	}
	root := New("healthrecords")
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl healthrecords"}
	root.CompletionOptions.DisableDefaultCmd = true // its scripts would complete `kubectl` instead of the plugin
	switch strings.TrimSuffix(filepath.Base(args[0]), ".exe") {
	case pluginName:
		root.SetArgs(args[1:])
	case completionName: // cobra's own command, which prints what can follow
		root.SetArgs(append([]string{cobra.ShellCompRequestCmd}, args[1:]...))
	default:
		return nil
	}
	return root
}

// New returns the command with all that the plugin can do, under the name use.
func New(use string) *cobra.Command {
	return newCommand(use, &plugin{now: time.Now, getenv: os.Getenv})
}

func newCommand(use string, p *plugin) *cobra.Command {
	root := &cobra.Command{
		Use:   use,
		Short: "Assign doctors to patients, and explain who has access, as a plugin of kubectl",
		Long: "Assign doctors to patients with DoctorAssignment objects, explain why an object is not Ready, and show who\n" +
			"has access to whose health records.\n\n" +
			"This is a plugin of kubectl: link the program as kubectl-healthrecords into a directory of the PATH, then\n" +
			"call it as `kubectl healthrecords`. It uses the kubeconfig and the rights of the caller.",
		DisableFlagsInUseLine: true, SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usage(cmd, "unknown command %q for %q%s", args[0], cmd.CommandPath(), didYouMean(cmd.SuggestionsFor(args[0])))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(wrongFlag)
	p.addFlags(root.PersistentFlags())
	_ = root.RegisterFlagCompletionFunc("context", p.completeContexts)
	_ = root.RegisterFlagCompletionFunc("namespace", p.completeNamespaces)
	root.AddCommand(p.newAssign(), p.newWhy(), p.newWho(), p.newPanel())
	return root
}

// wrongFlag adds the flag that was probably meant to an error about an unknown one.
func wrongFlag(cmd *cobra.Command, err error) error {
	name, is := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !is {
		return usage(cmd, "%v", err)
	}
	var near []string
	for _, known := range nearest(name, flagNames(cmd)) {
		near = append(near, "--"+known)
	}
	return usage(cmd, "%v%s", err, didYouMean(near))
}

// didYouMean is the end of a message about a wrong name, as kubectl phrases it; "" if no name is near.
func didYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("\n\nDid you mean this?\n\t%s", strings.Join(names, "\n\t"))
}
