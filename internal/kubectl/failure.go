package kubectl

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Exit codes. `why` answers with 0 and 1, so its failures are 2, as those of `kubectl diff` are above 1.
const (
	failed     = 1
	notReady   = 1
	wrongUsage = 2
	unanswered = 2
)

// failure is an error with the exit code that it causes. Without an error, the command has printed everything.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit code %d", f.code)
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// usage is the failure of a command that was called in a wrong way.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return &failure{code: wrongUsage, err: fmt.Errorf(format+"\nSee '%s --help' for usage", append(args, cmd.CommandPath())...)}
}

// failing gives the errors of a command's run the exit code, unless they have one.
func failing(code int, run func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if known := (*failure)(nil); err == nil || errors.As(err, &known) {
			return err
		}
		return &failure{code: code, err: err}
	}
}

// Report prints a failure of the plugin as kubectl does and returns the exit code. Other errors are not the plugin's.
func Report(stderr io.Writer, err error) (code int, reported bool) {
	var f *failure
	if !errors.As(err, &f) {
		return 0, false
	}
	if f.err != nil {
		_, _ = fmt.Fprintln(stderr, printable(told(f.err)))
	}
	return f.code, true
}

// told is the text about an error, in the words of kubectl.
func told(err error) string {
	var status apierrors.APIStatus
	var request *url.Error
	var unreachable *net.OpError
	switch {
	case apimeta.IsNoMatchError(err) || isKindMissing(err):
		return "error: the cluster does not know DoctorAssignments; is healthrecords installed there?"
	case errors.As(err, &status) && apierrors.IsInvalid(err):
		return invalid(status.Status())
	case errors.As(err, &status) && status.Status().Reason != metav1.StatusReasonUnknown:
		return fmt.Sprintf("Error from server (%s): %v", status.Status().Reason, err)
	case errors.As(err, &status):
		return fmt.Sprintf("Error from server: %v", err)
	case errors.As(err, &request) && errors.As(err, &unreachable):
		return fmt.Sprintf("Unable to connect to the server: %v", unreachable)
	default:
		return fmt.Sprintf("error: %v", err)
	}
}

// isKindMissing reports whether the API server serves no DoctorAssignments; "not found" otherwise names an object.
func isKindMissing(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsNotFound(err) {
		return false
	}
	details := status.Status().Details
	return details == nil || details.Name == ""
}

// invalid lists what the API server refuses.
func invalid(status metav1.Status) string {
	details := status.Details
	if details == nil || len(details.Causes) == 0 {
		return "error: " + status.Message
	}
	subject := fmt.Sprintf("The %s %q is invalid:", details.Kind, details.Name)
	var causes []string
	for _, cause := range details.Causes {
		text := cause.Message
		if cause.Field != "" && cause.Field != "<nil>" {
			text = cause.Field + ": " + cause.Message
		}
		causes = append(causes, text)
	}
	slices.Sort(causes) // the API server's order varies
	if len(causes) == 1 {
		return subject + " " + causes[0]
	}
	return subject + "\n* " + strings.Join(causes, "\n* ")
}

// printable replaces what could control the terminal, or the order of the letters, in texts of servers and users.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r) {
			return r
		}
		return '\uFFFD'
	}, text)
}

// line is a printable text on one line, which cannot pass for several.
func line(text string) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(printable(text))
}
