package kubectl

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

const defaultWait = time.Minute

// assignment is a call of assign.
type assignment struct {
	*plugin
	doctors             []string // beside the first argument
	from, until         string
	reason, name        string
	adopt               bool
	dryRun, output      string
	wait                time.Duration
	clientOnly, dryOnly bool // what dryRun means
}

func (p *plugin) newAssign() *cobra.Command {
	a := &assignment{plugin: p}
	cmd := &cobra.Command{
		Use:   "assign DOCTOR[,DOCTOR...] PATIENT... [flags]",
		Short: "Assign a doctor or a team to patients",
		Long: "Assign a doctor, or each doctor of a team, to each of the patients. Names are usernames.\n\n" +
			"The command applies one DoctorAssignment object. Its name follows from the names of the doctors and the\n" +
			"patients, without showing them, so a repeated call changes the same object instead of creating another one:\n" +
			"it then has exactly what the last call says. The object is applied on the server, with the field manager\n" +
			"kubectl-healthrecords: fields that other managers set, such as a GitOps tool, are not overwritten.\n\n" +
			"Delete the object to end the assignments.",
		Example: `  # Assign doctor1 to two patients
  kubectl healthrecords assign doctor1 patient1 patient2

  # Assign a doctor for eight hours, and wait until they have access
  kubectl healthrecords assign doctor1 patient1 --until=8h --wait

  # Assign a team from one time to another
  kubectl healthrecords assign doctor1,doctor2 patient1 --from=2030-01-01T08:00:00Z --until=2030-02-01T08:00:00Z

  # Take over the assignment that was made over the REST API, without a gap
  kubectl healthrecords assign doctor1 patient1 --adopt --name=primary-care --reason="primary care"

  # Write the object for a Git repository, without a cluster
  kubectl healthrecords assign doctor1 patient1 --name=primary-care --dry-run=client -o yaml > primary-care.yaml`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usage(cmd, "name a doctor and at least one patient")
			}
			return nil
		},
		ValidArgsFunction: p.completeAssign,
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&a.doctors, "doctor", nil, "Another doctor of the team. You may repeat the flag, or separate usernames with commas.")
	flags.StringVar(&a.until, "until", "", "When the assignments end: a time such as 2030-01-31T08:00:00Z, or how long they last, such as 8h, 90d or 2w. By default, they last as long as the object.")
	flags.StringVar(&a.from, "from", "", "When the assignments begin: a time, or how long from now. By default, they begin at once.")
	flags.StringVar(&a.reason, "reason", "", "An organizational reason such as \"primary care\", for readers of the history. Never a diagnosis: everybody who can read the object can read it.")
	flags.StringVar(&a.name, "name", "", "The name of the object. By default, it follows from the usernames.")
	flags.BoolVar(&a.adopt, "adopt", false, "Take over the assignments that were made over the REST API, without a gap.")
	flags.StringVar(&a.dryRun, "dry-run", "none", `Must be "none", "server", or "client". With "client", only print the object, without asking the cluster. With "server", let the API server check the object without keeping it.`)
	flags.Lookup("dry-run").NoOptDefVal = "client"
	flags.StringVarP(&a.output, "output", "o", "", "Output format. One of: (json, yaml, name).")
	flags.DurationVar(&a.wait, "wait", 0, "Wait until the doctors have access to the patients, or until it is certain that they get none. With --from, wait until the assignments are scheduled. Without a value, wait at most "+defaultWait.String()+".")
	flags.Lookup("wait").NoOptDefVal = defaultWait.String()
	cmd.RunE = failing(failed, a.run)
	_ = cmd.RegisterFlagCompletionFunc("doctor", p.completeDoctors)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions(dryRuns(), cobra.ShellCompDirectiveNoFileComp))
	for _, free := range []string{"until", "from", "reason", "name", "wait"} {
		_ = cmd.RegisterFlagCompletionFunc(free, cobra.NoFileCompletions)
	}
	return cmd
}

func (a *assignment) run(cmd *cobra.Command, args []string) error {
	object, err := a.object(cmd, args)
	if err != nil {
		return err
	}
	if a.clientOnly {
		return a.print(cmd, object, "created (dry run)")
	}
	kube, err := a.client(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	outcome, err := a.apply(cmd.Context(), kube, object)
	if err != nil {
		return err
	}
	if err := a.print(cmd, object, outcome); err != nil || a.wait == 0 || a.dryOnly {
		return err
	}
	return a.await(cmd, object)
}

// object returns the object that the arguments and flags describe.
func (a *assignment) object(cmd *cobra.Command, args []string) (*v1alpha1.DoctorAssignment, error) {
	if err := a.checkFlags(cmd, args); err != nil {
		return nil, err
	}
	start, end, err := period(a.from, a.until, a.now())
	if err != nil {
		return nil, usage(cmd, "%v", err)
	}
	team, patients := names(append(a.doctors, args[0])...), names(args[1:]...)
	if len(team) == 0 || len(patients) == 0 {
		return nil, usage(cmd, "name a doctor and at least one patient; a name cannot be empty")
	}
	namespace, err := a.namespace()
	if err != nil {
		return nil, err
	}
	object := &v1alpha1.DoctorAssignment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: a.name},
		Spec: v1alpha1.DoctorAssignmentSpec{
			Patients: references(patients), Reason: a.reason, StartsAt: start, EndsAt: end, Adopt: a.adopt,
		},
	}
	if a.name == "" {
		object.Name = nameFor(team, patients)
	}
	if refs := references(team); len(refs) == 1 {
		object.Spec.Doctor = &refs[0]
	} else {
		object.Spec.Doctors = refs
	}
	tidy(object)
	return object, nil
}

func (a *assignment) checkFlags(cmd *cobra.Command, args []string) error {
	switch a.dryRun {
	case "none":
	case "client":
		a.clientOnly, a.dryOnly = true, true
	case "server":
		a.dryOnly = true
	default:
		return usage(cmd, `invalid dry-run value (%s). Must be "none", "server", or "client"`, a.dryRun)
	}
	if a.wait < 0 {
		return usage(cmd, "--wait must not be negative")
	}
	// `--wait 5m` would wait for the default time, for a patient who is named 5m.
	for _, arg := range args[1:] {
		if _, err := time.ParseDuration(arg); err == nil && cmd.Flags().Changed("wait") {
			return usage(cmd, "write --wait=%s, with an equals sign", arg)
		}
		if slices.Contains(dryRuns(), arg) && cmd.Flags().Changed("dry-run") {
			return usage(cmd, "write --dry-run=%s, with an equals sign", arg)
		}
	}
	return checkOutput(cmd, a.output, "json", "yaml", "name")
}

func dryRuns() []string { return []string{"none", "server", "client"} }

// apply sends the object to the API server, reads it back, and says what happened to it.
func (a *assignment) apply(ctx context.Context, kube client.Client, object *v1alpha1.DoctorAssignment) (outcome string, err error) {
	var before v1alpha1.DoctorAssignment
	switch err := kube.Get(ctx, client.ObjectKeyFromObject(object), &before); {
	case err != nil && !apierrors.IsNotFound(err):
		return "", err //nolint:wrapcheck // Report prints it in kubectl's words
	case before.DeletionTimestamp != nil: // what is applied to it has no effect
		return "", fmt.Errorf("%s/%s is being deleted; wait with `kubectl wait --for=delete -n %s da/%[2]s`, then repeat the command", resource, object.Name, object.Namespace)
	}
	options := []client.PatchOption{client.FieldOwner(pluginName)}
	if a.dryOnly {
		options = append(options, client.DryRunAll)
	}
	err = send(ctx, kube, object, before.Annotations[v1alpha1.RequestedByAnnotation], options...)
	if apierrors.IsConflict(err) {
		return "", fmt.Errorf("%w\nAnother tool manages this object: change it there, or choose another --name", err)
	}
	if err != nil {
		return "", err //nolint:wrapcheck // Report prints it in kubectl's words
	}
	tidy(object)
	switch before.ResourceVersion {
	case "":
		outcome = "created"
	case object.ResourceVersion:
		outcome = "unchanged"
	default:
		outcome = "configured"
	}
	if a.dryOnly {
		outcome += " (server dry run)"
	}
	return outcome, nil
}

func (a *assignment) print(cmd *cobra.Command, object *v1alpha1.DoctorAssignment, outcome string) error {
	out := cmd.OutOrStdout()
	switch a.output {
	case "name":
		return write(out, "%s/%s\n", resource, object.Name)
	case "":
		return write(out, "%s/%s %s\n", resource, object.Name, outcome)
	default:
		return encode(out, a.output, object)
	}
}
