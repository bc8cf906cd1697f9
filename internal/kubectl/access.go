package kubectl

import (
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// question is what `who` and `panel` ask: who has access to a patient, or whom a doctor has access to.
type question struct {
	username    string
	aboutDoctor bool
}

// role is the person's role, as the REST API names it in parameters.
func (q question) role() string {
	if q.aboutDoctor {
		return "doctor"
	}
	return "patient"
}

// subject is the username of the assignment's person of the role in question.
func (q question) subject(a apiAssignment) string {
	if q.aboutDoctor {
		return a.Doctor.name()
	}
	return a.Patient.name()
}

// What is known about access.
const (
	accessYes     = "yes"
	accessNo      = "no"
	accessUnknown = "unknown"
)

// Where a row was seen.
const (
	seenInObjects = "objects"
	seenInAPI     = "api"
)

// access is one way by which a doctor has access to a patient, or may have it.
type access struct {
	Doctor  string `json:"doctor"`
	Patient string `json:"patient"`
	// Access is yes, or unknown if the object's status does not tell, or if the sources disagree.
	Access string `json:"access"`
	// Through is da/NAMESPACE/NAME for an object; rest for an assignment over the REST API; break_glass for an emergency.
	Through     string       `json:"through"`
	Since       *metav1.Time `json:"since,omitempty"`
	Until       *metav1.Time `json:"until,omitempty"`
	RequestedBy string       `json:"requestedBy,omitempty"`
	Reason      string       `json:"reason,omitempty"`
	SeenIn      []string     `json:"seenIn"`
}

func throughObject(name string) string { return "da/" + name }

func optional(t *time.Time) *metav1.Time {
	if t == nil {
		return nil
	}
	return &metav1.Time{Time: *t}
}

// fromObjects returns the rows of the objects that name the person in question, and how many of the objects' pairs give no
// access now.
func fromObjects(question question, found []v1alpha1.DoctorAssignment, now time.Time) (rows []access, without int) {
	for i := range found {
		object := &found[i]
		team, patients := doctors(&object.Spec), usernames(object.Spec.Patients)
		named := patients
		if question.aboutDoctor {
			named = team
		}
		if !containsName(named, question.username) {
			continue
		}
		for _, doctor := range team {
			for _, patient := range patients {
				if who := map[bool]string{true: doctor, false: patient}[question.aboutDoctor]; !strings.EqualFold(who, question.username) {
					continue
				}
				state := given(object, doctor, patient, now)
				if state == accessNo {
					without++
					continue
				}
				rows = append(rows, access{
					Doctor: doctor, Patient: patient, Access: state, Through: throughObject(object.Namespace + "/" + object.Name),
					Since: object.Spec.StartsAt, Until: object.Spec.EndsAt, Reason: object.Spec.Reason,
					RequestedBy: object.Annotations[v1alpha1.RequestedByAnnotation], SeenIn: []string{seenInObjects},
				})
			}
		}
	}
	return rows, without
}

// given says what the object tells about the access of a doctor to a patient, both of whom its spec names.
func given(object *v1alpha1.DoctorAssignment, doctor, patient string, now time.Time) string {
	spec, status := &object.Spec, &object.Status
	if spec.StartsAt != nil && spec.StartsAt.After(now) || spec.EndsAt != nil && !spec.EndsAt.After(now) {
		return accessNo
	}
	ready := apimeta.FindStatusCondition(status.Conditions, v1alpha1.ReadyCondition)
	if ready == nil || status.ObservedGeneration < object.Generation || ready.Status == metav1.ConditionUnknown {
		return accessUnknown
	}
	if ready.Status == metav1.ConditionTrue {
		return accessYes
	}
	switch ready.Reason {
	case v1alpha1.ReasonScheduled, v1alpha1.ReasonEnded, v1alpha1.ReasonSuspended, v1alpha1.ReasonDeleted:
		return accessNo
	case v1alpha1.ReasonPairsNotAssigned, v1alpha1.ReasonDoctorNotFound, v1alpha1.ReasonDoctorNotVerified,
		v1alpha1.ReasonNotADoctor, v1alpha1.ReasonNotAPatient, v1alpha1.ReasonEndedByAdministrator:
		return givenPartly(status, doctor, patient)
	default: // such as Invalid: the claims of an earlier spec may last
		return accessUnknown
	}
}

// givenPartly is given for a status that reports problems: only pairs without one have access.
func givenPartly(status *v1alpha1.DoctorAssignmentStatus, doctor, patient string) string {
	hindered := slices.ContainsFunc(status.Problems, func(p v1alpha1.AssignmentProblem) bool {
		return (p.Doctor == "" || strings.EqualFold(p.Doctor, doctor)) && (p.Patient == "" || strings.EqualFold(p.Patient, patient))
	})
	switch {
	case hindered || status.Assigned == 0:
		return accessNo
	case len(status.Problems) == 0 || len(status.Problems) == v1alpha1.MaxProblems: // not every problem is listed
		return accessUnknown
	default:
		return accessYes
	}
}

// merged joins the rows of both sources: a row about the same object is one row, which the API knows best.
func merged(api, objects []access) []access {
	rows := slices.Clone(api)
	for _, object := range objects {
		same := slices.IndexFunc(rows, func(row access) bool {
			return row.Through == object.Through && strings.EqualFold(row.Doctor, object.Doctor) && strings.EqualFold(row.Patient, object.Patient)
		})
		if same < 0 {
			rows = append(rows, object)
			continue
		}
		rows[same].SeenIn = append(rows[same].SeenIn, seenInObjects)
	}
	slices.SortStableFunc(rows, func(a, b access) int {
		return strings.Compare(strings.ToLower(a.Doctor+" "+a.Patient)+" "+a.Through, strings.ToLower(b.Doctor+" "+b.Patient)+" "+b.Through)
	})
	return rows
}
