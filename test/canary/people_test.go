package canary_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

const password = "Canary-password"

// markers returns the marker of each text that people write, with the roles that may read it. "directory" means every user,
// and the cache of the directory of doctors. Spans have the User-Agent of each request, and the status of an object its doctor.
func markers() map[string]string {
	const (
		patient   = "owner assigned emergency self admin"
		health    = "owner assigned emergency self"
		directory = "owner other assigned emergency self unassigned unverified admin cache"
	)
	return map[string]string{
		"Canary-owner": patient, "Canary-owner-first": patient, "Canary-owner-last": patient, "canary-owner@example.com": patient,
		"+49 555 0101 77": patient, "Canary-address": "owner", "Canary-contact": "owner",
		"Canary-title": health, "Canary-description": health, "Canary-symptoms": health, "Canary-diagnosis": health,
		"Canary-treatment": health, "Canary-medications": health,
		"Canary-comment": health, "Canary-private": "assigned emergency self", // corrected since: in the versions
		"Canary-corrected-comment": health, "Canary-corrected-private": "assigned emergency self", "Canary-device": "owner spans",
		"Canary-declared-reason": "owner assigned admin", "Canary-emergency-reason": "owner emergency admin",
		"Canary-self-reason": "owner self admin", "Canary-claim-reason": "admin", "Canary-requester": "owner assigned admin",
		"Canary-assigned": directory + " status", "Canary-assigned-first": directory, "Canary-assigned-last": directory,
		"canary-assigned@example.com": directory, "Canary-assigned-field": directory, "CANARY-ASSIGNED-LICENSE": directory,
		"+49 555 0102 77": "assigned", "Canary-pending-first": "assigned admin", "Canary-pending-last": "assigned admin",
		"Canary-unverified": "unverified admin", "Canary-unverified-first": "unverified admin", "CANARY-UNVERIFIED-LICENSE": "unverified admin",
		"Canary-query": health, // by a suggestion for a word of their own query
		password:       "", "Canary-wrong-password": "", "Canary-new-password": "", "Canary-wrong-code": "",
	}
}

// sentence puts a marker inside a longer text.
func sentence(marker string) string { return "It says <" + marker + ">." }

type person struct {
	user, profile int64
	token         string
}

func (p *platform) register(t *testing.T, role clinic.Role, name string, more map[string]any) person {
	t.Helper()
	body := map[string]any{"username": name, "password": password, "password_confirm": password, "user_type": role}
	for field, value := range more {
		body[field] = value
	}
	var answer struct {
		User   struct{ ID int64 }
		Tokens struct{ Access string }
	}
	p.post(t, "/api/auth/register/", "", body, &answer)
	profiles := "patient_profiles"
	if role == clinic.RoleDoctor {
		profiles = "doctor_profiles"
	}
	id := int64(p.db.Count(`SELECT id FROM `+profiles+` WHERE user_id = $1`, answer.User.ID))
	return person{user: answer.User.ID, profile: id, token: answer.Tokens.Access}
}

// live lets everybody write all that they may, and returns the people by their roles.
func (p *platform) live(t *testing.T) map[string]person {
	t.Helper()
	access, err := p.signer.Issue(p.db.LoggedIn(p.db.Admin()))
	testkit.Must(t, err)
	people := map[string]person{"anonymous": {}, "admin": {token: access}}
	people["owner"] = p.register(t, clinic.RolePatient, "Canary-owner", map[string]any{
		"first_name": "Canary-owner-first", "last_name": "Canary-owner-last", "email": "canary-owner@example.com",
		"phone_number": "+49 555 0101 77", "address": sentence("Canary-address"), "emergency_contact": sentence("Canary-contact"),
	})
	people["other"] = p.register(t, clinic.RolePatient, "other", nil)
	people["assigned"] = p.register(t, clinic.RoleDoctor, "Canary-assigned", map[string]any{
		"first_name": "Canary-assigned-first", "last_name": "Canary-assigned-last", "email": "canary-assigned@example.com",
		"phone_number": "+49 555 0102 77", "specialization": "Canary-assigned-field", "license_number": "CANARY-ASSIGNED-LICENSE",
	})
	people["emergency"] = p.register(t, clinic.RoleDoctor, "emergency", nil)
	people["self"] = p.register(t, clinic.RoleDoctor, "self", nil)
	people["unassigned"] = p.register(t, clinic.RoleDoctor, "unassigned", nil)
	people["unverified"] = p.register(t, clinic.RoleDoctor, "Canary-unverified", map[string]any{
		"first_name": "Canary-unverified-first", "license_number": "CANARY-UNVERIFIED-LICENSE",
	})
	for _, doctor := range []string{"assigned", "emergency", "self", "unassigned"} {
		p.post(t, fmt.Sprintf("/api/doctors/%d/verify/", people[doctor].profile), access, nil, nil)
	}
	status, _, content := p.ask(t, http.MethodPatch, "/api/auth/profile/", people["assigned"].token, map[string]any{
		"first_name": "Canary-pending-first", "last_name": "Canary-pending-last",
	})
	if status != http.StatusOK {
		t.Fatalf("asking for a name is answered %d: %s", status, content)
	}
	p.care(t, people)
	return people
}

// care declares the assignment. Then it lets people write and comment on a record, with and without permission.
func (p *platform) care(t *testing.T, people map[string]person) {
	t.Helper()
	testkit.Must(t, p.cluster.Create(t.Context(), &v1alpha1.DoctorAssignment{
		ObjectMeta: metav1.ObjectMeta{ // as the admission policy would have it
			Namespace: p.namespace, Name: "care", Annotations: map[string]string{v1alpha1.RequestedByAnnotation: "Canary-requester"},
		},
		Spec: v1alpha1.DoctorAssignmentSpec{
			Doctor: &v1alpha1.UserReference{Username: "Canary-assigned"}, Reason: sentence("Canary-declared-reason"),
			Patients: []v1alpha1.UserReference{{Username: "Canary-owner"}, {Username: "nobody"}},
		},
	}))
	await(t, "the declared assignment", func() bool { return p.db.Count(`SELECT count(*) FROM active_assignments`) == 1 })
	p.post(t, "/api/auth/assign-doctor/", people["admin"].token, map[string]any{ // beside the object
		"patient_id": people["owner"].profile, "doctor_id": people["assigned"].profile, "reason": sentence("Canary-claim-reason"),
	}, nil)
	visit := map[string]any{"record_type": "CHECKUP", "title": "Canary-title", "visit_date": "2025-05-27T10:00:00Z"}
	for _, field := range []string{"description", "symptoms", "diagnosis", "treatment", "medications"} {
		visit[field] = sentence("Canary-" + field)
	}
	var record struct{ ID int64 }
	p.post(t, "/api/health-records/", people["owner"].token, visit, &record)
	comments := fmt.Sprintf("/api/health-records/%d/comments/", record.ID)
	for text, private := range map[string]bool{"Canary-comment": false, "Canary-private": true} {
		body := map[string]any{"comment": sentence(text), "is_private": private}
		var comment struct{ ID int64 }
		p.post(t, comments, people["assigned"].token, body, &comment)
		corrected := map[string]any{"comment": sentence(strings.Replace(text, "-", "-corrected-", 1))}
		for _, who := range []string{"unassigned", "assigned"} { // 404, and 200
			p.ask(t, http.MethodPatch, fmt.Sprintf("/api/comments/%d/", comment.ID), people[who].token, corrected)
		}
		p.ask(t, http.MethodPost, comments, people["unassigned"].token, body) // 404
	}
	glass := map[string]any{"patient_id": people["owner"].profile, "reason": sentence("Canary-emergency-reason"), "password": password}
	p.post(t, "/api/break-glass/", people["emergency"].token, glass, nil)
	glass["password"] = "Canary-wrong-password"
	p.ask(t, http.MethodPost, "/api/break-glass/", people["unassigned"].token, glass) // 422
	own := map[string]any{"patient_id": people["owner"].profile, "reason": sentence("Canary-self-reason"), "password": password}
	p.post(t, "/api/auth/assign-doctor/", people["self"].token, own, nil)
	own["password"] = "Canary-wrong-password"
	p.ask(t, http.MethodPost, "/api/auth/assign-doctor/", people["unassigned"].token, own) // 422
	p.ask(t, http.MethodPost, "/api/auth/login/", "", map[string]any{"username": "Canary-owner", "password": "Canary-wrong-password"})
	var issued struct{ Code string }
	p.post(t, fmt.Sprintf("/api/users/%d/reset/", people["owner"].user), people["admin"].token, nil, &issued)
	p.code = issued.Code
	p.ask(t, http.MethodPost, "/api/auth/password/reset/", "", map[string]any{ // 401
		"username": "Canary-owner", "code": "Canary-wrong-code", "new_password": "Canary-new-password", "new_password_confirm": "Canary-new-password",
	})
	p.device = "Canary-device"
	p.post(t, "/api/auth/login/", "", map[string]any{"username": "Canary-owner", "password": password}, nil)
	p.device = ""
}

// ask sends a request and returns the status, and the header and the body as text.
func (p *platform) ask(t *testing.T, method, path, access string, body any) (status int, header, content string) {
	t.Helper()
	var encoded io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		testkit.Must(t, err)
		encoded = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, p.api+path, encoded)
	testkit.Must(t, err)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if p.device != "" {
		request.Header.Set("User-Agent", p.device)
	}
	if access != "" {
		request.Header.Set("Authorization", "Bearer "+access)
	}
	response, err := http.DefaultClient.Do(request)
	testkit.Must(t, err)
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	testkit.Must(t, err)
	return response.StatusCode, fmt.Sprint(response.Header), string(b)
}

// post sends a request that must succeed, and decodes the answer.
func (p *platform) post(t *testing.T, path, access string, body, into any) {
	t.Helper()
	status, _, content := p.ask(t, http.MethodPost, path, access, body)
	if status >= http.StatusBadRequest {
		t.Fatalf("%s answers %d: %s", path, status, content)
	}
	if into != nil {
		testkit.Must(t, json.NewDecoder(strings.NewReader(content)).Decode(into))
	}
}
