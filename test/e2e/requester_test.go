//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const requester = "healthrecords.io/requested-by"

// forgeRequester lets two users of Kubernetes write one object, both in the name of somebody else. The object must name the
// one who changed its spec last, and the patient's access log the one who asked for the assignment.
func forgeRequester(t *testing.T, c cluster) {
	ctx := t.Context()
	patient, doctor := c.mustRegister(t, "requester-patient", "PATIENT"), c.mustRegister(t, "requester-doctor", "DOCTOR")
	editor := "--clusterrole=" + namespace + "-" + object("doctorassignment-editor")
	if _, err := c.kubectl(ctx, "create", "rolebinding", "editors", editor, "--user=ann", "--user=bob"); err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(string(declaration("requested", doctor, patient)), `"metadata": {`, `"metadata": {"annotations": {"`+requester+`": "mallory"}, `, 1)
	if _, err := c.kubectlInput(ctx, []byte(forged), "--as=ann", "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	c.awaitReady(t, "requested")
	c.expectRequester(t, "ann")
	for _, step := range []struct{ patch, want string }{
		{`{"metadata": {"annotations": {"` + requester + `": "mallory"}}}`, "ann"},
		{`{"metadata": {"annotations": {"` + requester + `": null}}}`, "ann"},
		{`{"metadata": {"annotations": {"` + requester + `": "mallory"}}, "spec": {"reason": "ward 3"}}`, "bob"},
	} {
		if _, err := c.kubectl(ctx, "--as=bob", "patch", "doctorassignment", "requested", "--type=merge", "--patch="+step.patch); err != nil {
			t.Fatal(err)
		}
		c.expectRequester(t, step.want)
	}
	var log struct {
		Results []struct {
			Operation   string  `json:"operation"`
			RequestedBy *string `json:"requested_by"`
		} `json:"results"`
	}
	if err := c.expect(ctx, http.StatusOK, call{method: http.MethodGet, path: "/access-log/", token: patient.token}, &log); err != nil {
		t.Fatal(err)
	}
	found := ""
	for _, entry := range log.Results {
		if entry.RequestedBy != nil {
			found += fmt.Sprintf("%s by %s; ", entry.Operation, *entry.RequestedBy)
		}
	}
	if !strings.Contains(found, "declare by ann; ") || strings.Contains(found, "mallory") {
		t.Errorf("the patient's access log has %q", found)
	}
}

func (c cluster) expectRequester(t *testing.T, want string) {
	t.Helper()
	path := "--output=jsonpath={.metadata.annotations." + strings.ReplaceAll(requester, ".", `\.`) + "}"
	if got, err := c.kubectl(t.Context(), "get", "doctorassignment", "requested", path); err != nil || strings.TrimSpace(got) != want {
		t.Errorf("the object names %q, %v, not %q", got, err, want)
	}
}
