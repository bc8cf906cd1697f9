package kubectl

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// Environment variables of `who` and `panel`.
const (
	urlVariable   = "HEALTHRECORDS_URL"
	tokenVariable = "HEALTHRECORDS_TOKEN" //nolint:gosec // the name of a variable
)

// maxObjects bounds the objects that `who` and `panel` read.
const maxObjects = 50_000

// inquiry is a call of `who` or `panel`.
type inquiry struct {
	*plugin
	question
	allNamespaces             bool
	server, tokenFile, output string
}

// answer is what `who` and `panel` found out.
type answer struct {
	Access []access `json:"access"`
	// Objects and API say whether the source was read, and what its answer lacks.
	Objects source `json:"objects"`
	API     source `json:"api"`
	// WithoutAccess counts pairs of the person in objects that give no access now.
	WithoutAccess int `json:"withoutAccess"`
}

// believeAPI takes the API's answer for complete: the other objects give no access, whatever their namespace. If a status
// says that one does, the two sources disagree.
func (a *answer) believeAPI() {
	if a.Objects.Asked {
		a.Objects.Note = ""
	}
	a.Access = slices.DeleteFunc(a.Access, func(row access) bool {
		absent := row.Access == accessUnknown && !slices.Contains(row.SeenIn, seenInAPI)
		if absent {
			a.WithoutAccess++
		}
		return absent
	})
	disputed := 0
	for i := range a.Access {
		if row := &a.Access[i]; !slices.Contains(row.SeenIn, seenInAPI) {
			row.Access = accessUnknown
			disputed++
		}
	}
	if disputed > 0 {
		a.Objects.Note = "by their status, objects give access that the REST API does not show: it may belong to another cluster, or access has just changed"
	}
}

type source struct {
	Asked bool   `json:"asked"`
	Note  string `json:"note,omitempty"`
}

const sources = "The command reads the DoctorAssignments of the namespace, or with -A of all namespaces. If it has the address of\n" +
	"the REST API and an access token of a login, it also asks the API, which knows all access: of objects, of calls\n" +
	"of the API, and of emergencies. Without it, the answer is incomplete, and the command says so.\n\n" +
	"The token comes from $" + tokenVariable + " or from the file of --token-file. It is sent over TLS only, except to this\n" +
	"machine. The API answers administrators about everybody, and other users about themselves."

func (p *plugin) newWho() *cobra.Command {
	return p.inquiry(false, &cobra.Command{
		Use:   "who PATIENT [flags]",
		Short: "Show which doctors have access to a patient now, and through what",
		Long:  "Show which doctors have access to the health records of a patient now, and through what.\n\n" + sources,
		Example: `  # Show who has access to the records of patient1
  export HEALTHRECORDS_URL=https://healthrecords.example
  kubectl healthrecords who patient1 -A --token-file=token

  # Show only what the objects of one namespace say
  kubectl healthrecords who patient1 -n clinic --server=`,
	})
}

func (p *plugin) newPanel() *cobra.Command {
	return p.inquiry(true, &cobra.Command{
		Use:   "panel DOCTOR [flags]",
		Short: "Show the patients whom a doctor has access to now",
		Long:  "Show the patients to whose health records a doctor has access now, and through what.\n\n" + sources,
		Example: `  # Show the patients of doctor1
  export HEALTHRECORDS_URL=https://healthrecords.example
  kubectl healthrecords panel doctor1 -A --token-file=token

  # List the usernames only
  kubectl healthrecords panel doctor1 -A -o json | jq -r '.access[].patient' | sort -u`,
	})
}

func (p *plugin) inquiry(aboutDoctor bool, cmd *cobra.Command) *cobra.Command {
	i := &inquiry{plugin: p, question: question{aboutDoctor: aboutDoctor}}
	cmd.DisableFlagsInUseLine = true
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usage(cmd, "name one %s, by username", i.role())
		}
		return nil
	}
	cmd.ValidArgsFunction = p.completePatients
	if aboutDoctor {
		cmd.ValidArgsFunction = p.completeDoctors
	}
	flags := cmd.Flags()
	flags.BoolVarP(&i.allNamespaces, "all-namespaces", "A", false, "If present, read the objects of all namespaces.")
	flags.StringVar(&i.server, "server", "", "URL of the REST API. By default, the value of $"+urlVariable+".")
	flags.StringVar(&i.tokenFile, "token-file", "", "File that contains an access token for the REST API. By default, the value of $"+tokenVariable+" is the token.")
	flags.StringVarP(&i.output, "output", "o", "", "Output format. One of: (json, yaml).")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("server", cobra.NoFileCompletions)
	cmd.RunE = failing(failed, i.run)
	return cmd
}

func (i *inquiry) run(cmd *cobra.Command, args []string) error {
	if err := checkOutput(cmd, i.output, "json", "yaml"); err != nil {
		return err
	}
	i.username = args[0]
	fromAPI, api, err := i.askAPI(cmd)
	if err != nil {
		return err
	}
	found, objects, err := i.readObjects(cmd)
	if err != nil && !api.Asked {
		return err
	}
	rows, without := fromObjects(i.question, found, i.now())
	result := answer{Access: merged(fromAPI, rows), Objects: objects, API: api, WithoutAccess: without}
	if api.Asked && api.Note == "" {
		result.believeAPI()
	}
	if i.output != "" {
		return encode(cmd.OutOrStdout(), i.output, result)
	}
	if err := i.print(cmd, result); err != nil {
		return err
	}
	return i.printNotes(cmd, result, found)
}

// askAPI asks the REST API. If it does not answer, the source's note says why; an error is the caller's mistake.
func (i *inquiry) askAPI(cmd *cobra.Command) ([]access, source, error) {
	address := i.getenv(urlVariable)
	if cmd.Flags().Changed("server") {
		address = i.server
	}
	if address == "" {
		return nil, source{Note: "set $" + urlVariable + " or --server to ask the REST API, too"}, nil
	}
	token := i.getenv(tokenVariable)
	if i.tokenFile != "" {
		var err error
		if token, err = readToken(i.tokenFile); err != nil {
			return nil, source{}, err
		}
	}
	if token == "" {
		return nil, source{Note: "set $" + tokenVariable + " or --token-file to ask the REST API, too"}, nil
	}
	timeout, err := i.requestTimeout()
	if err != nil {
		return nil, source{}, usage(cmd, "%v", err)
	}
	api, err := newAPI(address, token, timeout)
	if err != nil {
		return nil, source{}, err
	}
	rows, note, err := api.access(cmd.Context(), i.question, i.now())
	if err != nil {
		return nil, source{Note: err.Error()}, nil //nolint:nilerr // the objects can still be shown, with the note
	}
	return rows, source{Asked: true, Note: note}, nil
}

// readObjects reads the objects. Its error is also the source's note.
func (i *inquiry) readObjects(cmd *cobra.Command) ([]v1alpha1.DoctorAssignment, source, error) {
	namespace, err := i.namespace()
	if err != nil {
		return nil, source{Note: told(err)}, err
	}
	var note string
	if i.allNamespaces {
		namespace = ""
	} else {
		note = fmt.Sprintf("only the objects of the namespace %s were read; -A reads those of all namespaces", namespace)
	}
	kube, err := i.client(cmd.ErrOrStderr())
	if err != nil {
		return nil, source{Note: told(err)}, err
	}
	found, more, err := objects(cmd.Context(), kube, namespace, maxObjects)
	if err != nil {
		return nil, source{Note: told(err)}, err
	}
	if more {
		note = fmt.Sprintf("there are more objects than the %d that were read", len(found))
	}
	return found, source{Asked: true, Note: note}, nil
}

func (i *inquiry) print(cmd *cobra.Command, result answer) error {
	if len(result.Access) == 0 {
		if i.aboutDoctor {
			return write(cmd.ErrOrStderr(), "No patients found to whom %s has access now.\n", printable(i.username))
		}
		return write(cmd.ErrOrStderr(), "No doctors found who have access to %s now.\n", printable(i.username))
	}
	rows := make([][]string, 0, len(result.Access))
	for _, a := range result.Access {
		person := a.Doctor
		if i.aboutDoctor {
			person = a.Patient
		}
		rows = append(rows, []string{person, a.Access, a.Through, stamp(a.Since), stamp(a.Until), a.RequestedBy, strings.Join(a.SeenIn, ",")})
	}
	header := "DOCTOR"
	if i.aboutDoctor {
		header = "PATIENT"
	}
	return table(cmd.OutOrStdout(), []string{header, "ACCESS", "THROUGH", "SINCE", "UNTIL", "REQUESTED BY", "SEEN IN"}, rows)
}

// printNotes says what the answer may lack, on stderr.
func (i *inquiry) printNotes(cmd *cobra.Command, result answer, found []v1alpha1.DoctorAssignment) error {
	var notes []error
	note := func(format string, args ...any) {
		notes = append(notes, write(cmd.ErrOrStderr(), "%s\n", printable(fmt.Sprintf(format, args...))))
	}
	switch {
	case !result.API.Asked:
		note("Note: this shows objects only: %s.", cmp.Or(result.API.Note, "the REST API was not asked"))
	case result.API.Note != "":
		note("Note: %s.", result.API.Note)
	}
	switch {
	case !result.Objects.Asked:
		note("Note: this shows the REST API's answer only: %s", result.Objects.Note)
	case result.Objects.Note != "":
		note("Note: %s.", result.Objects.Note)
	}
	if result.WithoutAccess > 0 {
		note("Note: objects name %s with %s without access now; `kubectl healthrecords why` explains an object.", plural(result.WithoutAccess, "more pair", "more pairs"), i.username)
	}
	if len(result.Access) == 0 && result.WithoutAccess == 0 {
		if near := nearest(i.username, people(i.aboutDoctor, found)); len(near) > 0 && !containsName(near, i.username) {
			note("%s", strings.TrimPrefix(didYouMean(near), "\n"))
		}
	}
	return errors.Join(notes...)
}
