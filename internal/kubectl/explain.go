package kubectl

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// explanation says whether an object is Ready, why not, and what would mend it.
type explanation struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Ready     bool   `json:"ready"`
	// Reason is that of the Ready condition, or one of the plugin's own: NotObserved, Outdated, BeingDeleted.
	Reason  string             `json:"reason"`
	Meaning string             `json:"meaning"`
	Remedy  string             `json:"remedy,omitempty"`
	Message string             `json:"message,omitempty"` // that of the condition
	Since   *metav1.Time       `json:"since,omitempty"`
	Pairs   int32              `json:"pairs"`
	With    int32              `json:"assigned"`
	Claims  int32              `json:"claims"`
	Shared  int32              `json:"shared"`
	Trouble []explainedProblem `json:"problems,omitempty"`
	// Complete is false if there may be more problems than the status lists.
	Complete    bool   `json:"problemsComplete"`
	RequestedBy string `json:"requestedBy,omitempty"`
}

// explainedProblem is a problem of the status with its remedy.
type explainedProblem struct {
	v1alpha1.AssignmentProblem `json:",inline"`
	Meaning                    string `json:"meaning"`
	Remedy                     string `json:"remedy"`
}

// explain explains an object's status.
func explain(object *v1alpha1.DoctorAssignment) explanation {
	status := &object.Status
	e := explanation{
		Namespace: object.Namespace, Name: object.Name,
		Pairs: status.Total, With: status.Assigned, Claims: status.Claims, Shared: status.Shared,
		Complete: len(status.Problems) < v1alpha1.MaxProblems, RequestedBy: object.Annotations[v1alpha1.RequestedByAnnotation],
	}
	ready := apimeta.FindStatusCondition(status.Conditions, v1alpha1.ReadyCondition)
	switch {
	case ready == nil:
		e.Reason = notObserved
	case object.DeletionTimestamp != nil && !slices.Contains(deletionReasons(), ready.Reason):
		e.Reason, e.Message, e.Since = beingDeleted, ready.Message, object.DeletionTimestamp
	case status.ObservedGeneration < object.Generation:
		e.Reason = outdated
	default:
		e.Ready = ready.Status == metav1.ConditionTrue
		e.Reason, e.Message, e.Since = ready.Reason, ready.Message, &ready.LastTransitionTime
	}
	text := reasonText(e.Reason)
	e.Meaning, e.Remedy = text.meaning+times(object, e.Reason), text.remedy
	for _, problem := range status.Problems {
		text := problemText(problem.Reason)
		e.Trouble = append(e.Trouble, explainedProblem{problem, text.meaning, text.remedy})
	}
	return e
}

// deletionReasons are the reasons that the controller gives to an object that is being deleted. Another reason is older.
func deletionReasons() []string {
	return []string{v1alpha1.ReasonDeleted, v1alpha1.ReasonUnavailable, v1alpha1.ReasonInternalError, v1alpha1.ReasonConflict, v1alpha1.ReasonSuperseded}
}

// times is the time that matters for the reason, as a sentence.
func times(object *v1alpha1.DoctorAssignment, reason string) string {
	switch start, end := object.Spec.StartsAt, object.Spec.EndsAt; {
	case reason == v1alpha1.ReasonScheduled && start != nil:
		return " spec.startsAt is " + stamp(start) + "."
	case reason == v1alpha1.ReasonEnded && end != nil:
		return " spec.endsAt was " + stamp(end) + "."
	case reason == v1alpha1.ReasonAssigned && end != nil:
		return " Access ends at " + stamp(end) + "."
	}
	return ""
}

func stamp(t *metav1.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// print writes the explanation for people.
func (e explanation) print(out io.Writer) error {
	var text strings.Builder
	state := "not ready"
	if e.Ready {
		state = "ready"
	}
	fmt.Fprintf(&text, "%s/%s in namespace %s is %s: %s\n\n%s\n", resource, e.Name, e.Namespace, state, e.Reason, e.Meaning)
	if e.Remedy != "" {
		fmt.Fprintf(&text, "\nTo mend it: %s\n", e.Remedy)
	}
	text.WriteByte('\n')
	e.printFacts(&text)
	if err := write(out, "%s", printable(text.String())); err != nil {
		return err
	}
	return e.printProblems(out)
}

func (e explanation) printFacts(text *strings.Builder) {
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(text, "%-14s%s\n", name+":", line(value))
		}
	}
	if e.Since != nil {
		fact("Since", stamp(e.Since))
	}
	if e.Pairs > 0 {
		fact("Access", fmt.Sprintf("%d of %d pairs of a doctor and a patient", e.With, e.Pairs))
	}
	if e.Shared > 0 {
		fact("Shared", fmt.Sprintf("%s also claimed by other objects or over the REST API: access through those does not depend on this object", plural(e.Shared, "pair is", "pairs are")))
	}
	fact("Requested by", e.RequestedBy)
	fact("Message", e.Message)
}

func (e explanation) printProblems(out io.Writer) error {
	if len(e.Trouble) == 0 {
		return nil
	}
	rows := make([][]string, 0, len(e.Trouble))
	for _, p := range e.Trouble {
		rows = append(rows, []string{p.Doctor, p.Patient, p.Reason, cmp.Or(p.Meaning, "unknown"), p.Remedy})
	}
	if err := write(out, "\n"); err != nil {
		return err
	}
	if err := table(out, []string{"DOCTOR", "PATIENT", "PROBLEM", "MEANING", "REMEDY"}, rows); err != nil {
		return err
	}
	if !e.Complete {
		return write(out, "\nThe status lists at most %d problems, so there may be more.\n", v1alpha1.MaxProblems)
	}
	return nil
}
