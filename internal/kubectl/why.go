package kubectl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

func (p *plugin) newWhy() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "why (da/NAME | NAME) [flags]",
		Short: "Explain why a DoctorAssignment is not Ready, and what would mend it",
		Long: "Explain in words why a DoctorAssignment is not Ready, and what would mend it. The command reads only the\n" +
			"object in Kubernetes.\n\n" +
			"Exit codes: 0 if the object is Ready, 1 if it is not, 2 if the command cannot tell.",
		Example: `  # Explain the object primary-care
  kubectl healthrecords why da/primary-care

  # The same, of another namespace
  kubectl healthrecords why primary-care -n clinic

  # Read the explanation with a program
  kubectl healthrecords why da/primary-care -o json`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(cmd, "name one object, such as da/primary-care")
			}
			return nil
		},
		ValidArgsFunction: p.completeObjects,
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "Output format. One of: (json, yaml).")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = failing(unanswered, func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(cmd, output, "json", "yaml"); err != nil {
			return err
		}
		name, err := objectName(cmd, args[0])
		if err != nil {
			return err
		}
		object, err := p.object(cmd, name)
		if err != nil {
			return err
		}
		return explain(object).answer(cmd, output)
	})
	return cmd
}

// answer prints the explanation. Its error has the exit code of an object that is not Ready.
func (e explanation) answer(cmd *cobra.Command, output string) error {
	var err error
	if output == "" {
		err = e.print(cmd.OutOrStdout())
	} else {
		err = encode(cmd.OutOrStdout(), output, e)
	}
	if err != nil || e.Ready {
		return err
	}
	return &failure{code: notReady}
}

// objectName returns the name in an argument such as da/primary-care or primary-care.
func objectName(cmd *cobra.Command, argument string) (string, error) {
	kind, name, slash := strings.Cut(argument, "/")
	switch {
	case !slash && argument != "":
		return argument, nil
	case !slash || name == "" || strings.Contains(name, "/"):
		return "", usage(cmd, "name one object, such as da/primary-care")
	case !slices.Contains(resourceNames(), strings.ToLower(kind)):
		return "", usage(cmd, "the command explains DoctorAssignments, such as da/primary-care%s", didYouMean(nearest(kind, resourceNames())))
	}
	return name, nil
}

// object reads an object. If it does not exist, the error names those of the namespace with a similar name.
func (p *plugin) object(cmd *cobra.Command, name string) (*v1alpha1.DoctorAssignment, error) {
	namespace, err := p.namespace()
	if err != nil {
		return nil, err
	}
	kube, err := p.client(cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	var object v1alpha1.DoctorAssignment
	err = kube.Get(cmd.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &object)
	if apierrors.IsNotFound(err) && !isKindMissing(err) {
		return nil, fmt.Errorf("%w%s", err, didYouMean(similar(cmd.Context(), kube, namespace, name)))
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // Report prints it in kubectl's words
	}
	return &object, nil
}

// similar returns the names of the namespace's objects that resemble the name. It is only a hint: without the right to list
// objects, there is none.
func similar(ctx context.Context, kube client.Reader, namespace, name string) []string {
	found, _, err := objects(ctx, kube, namespace, maxCompared)
	if err != nil {
		return nil
	}
	existing := make([]string, 0, len(found))
	for i := range found {
		existing = append(existing, found[i].Name)
	}
	return nearest(name, existing)
}

// maxCompared bounds the objects that a suggestion or a completion reads.
const maxCompared = 2000
