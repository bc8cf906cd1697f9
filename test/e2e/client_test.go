//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"time"
)

const (
	password       = "securepass123"
	requestTimeout = 5 * time.Second
)

// account is a user who registered over the API.
type account struct {
	username  string
	profileID int64
	token     string
}

// call is a request.
type call struct {
	method, path string // below /api
	token, key   string // both may be empty
	body         map[string]any
}

// answer is the answer to a call.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// refusal reports whether the service says to try again later, as the API documents it.
func (a answer) refusal() bool {
	return a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "" &&
		a.header.Get("Content-Type") == "application/problem+json"
}

// send sends one request. An error means that there was no complete answer; it says when, and on which connection, for a
// comparison with what happened to the pods.
func (c cluster) send(ctx context.Context, request call) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	began, connection := time.Now(), "no connection"
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		connection = fmt.Sprintf("%s, used before: %t, idle for %s", i.Conn.LocalAddr(), i.WasIdle, i.IdleTime)
	}})
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s %s, sent %s, failed %s later (%s): %w", request.method, request.path,
				began.UTC().Format(time.RFC3339Nano), time.Since(began), connection, err)
		}
	}()
	content, err := json.Marshal(request.body)
	if err != nil {
		return answer{}, err
	}
	r, err := http.NewRequestWithContext(ctx, request.method, c.api+"/api"+request.path, bytes.NewReader(content))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	if request.token != "" {
		r.Header.Set("Authorization", "Bearer "+request.token)
	}
	if request.key != "" {
		r.Header.Set("Idempotency-Key", request.key)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	a = answer{status: response.StatusCode, header: response.Header}
	var body bytes.Buffer
	_, err = body.ReadFrom(response.Body)
	a.body = body.Bytes()
	return a, err
}

// expect sends a request, fails unless the status is as expected, and decodes the answer into result unless that is nil.
func (c cluster) expect(ctx context.Context, want int, request call, result any) error {
	a, err := c.send(ctx, request)
	if err != nil {
		return err
	}
	if a.status != want {
		return fmt.Errorf("%s %s answers %d, want %d: %s", request.method, request.path, a.status, want, a.body)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(a.body, result)
}

// register creates an account, which may already exist.
func (c cluster) register(ctx context.Context, username, userType string) (account, error) {
	err := c.expect(ctx, http.StatusCreated, call{method: http.MethodPost, path: "/auth/register/", body: map[string]any{
		"username": username, "email": username + "@example.com", "password": password, "password_confirm": password,
		"first_name": "First", "last_name": "Last", "user_type": userType,
	}}, nil)
	if err != nil {
		return account{}, err
	}
	return c.logIn(ctx, username, password)
}

// logIn returns an account with a token that is valid for five minutes.
func (c cluster) logIn(ctx context.Context, username, password string) (account, error) {
	var login struct{ Tokens struct{ Access string } }
	err := c.expect(ctx, http.StatusOK, call{method: http.MethodPost, path: "/auth/login/", body: map[string]any{
		"username": username, "password": password,
	}}, &login)
	if err != nil {
		return account{}, err
	}
	a := account{username: username, token: login.Tokens.Access}
	type profile struct{ ID int64 }
	var person struct {
		Patient profile `json:"patient_profile"`
		Doctor  profile `json:"doctor_profile"`
	}
	err = c.expect(ctx, http.StatusOK, call{method: http.MethodGet, path: "/auth/profile/", token: a.token}, &person)
	a.profileID = person.Patient.ID + person.Doctor.ID // one of the two is 0
	return a, err
}

// createRecord returns the id of a new record of the patient.
func (c cluster) createRecord(ctx context.Context, patient account) (int64, error) {
	var record struct{ ID int64 }
	err := c.expect(ctx, http.StatusCreated, recordCall(patient, "Annual Physical", ""), &record)
	return record.ID, err
}

func recordCall(patient account, title, key string) call {
	return call{method: http.MethodPost, path: "/health-records/", token: patient.token, key: key, body: map[string]any{
		"record_type": "CHECKUP", "title": title, "description": "Routine annual physical examination",
		"visit_date": "2025-05-27T10:00:00Z",
	}}
}

// readRecord reads a record, and fails unless the status is as expected.
func (c cluster) readRecord(ctx context.Context, reader account, id int64, want int) error {
	path := fmt.Sprintf("/health-records/%d/", id)
	return c.expect(ctx, want, call{method: http.MethodGet, path: path, token: reader.token}, nil)
}

// comment lets the doctor write a comment on a record that the patient may read.
func (c cluster) comment(ctx context.Context, doctor account, record int64) error {
	return c.expect(ctx, http.StatusCreated, call{
		method: http.MethodPost, path: fmt.Sprintf("/health-records/%d/comments/", record), token: doctor.token,
		body: map[string]any{"comment": "Patient shows good health indicators.", "is_private": false},
	}, nil)
}

// notified fails unless the account has exactly this number of notifications of the type.
func (c cluster) notified(ctx context.Context, a account, kind string, want int) error {
	var list struct {
		Results []struct {
			Type string `json:"notification_type"`
		}
	}
	if err := c.expect(ctx, http.StatusOK, call{method: http.MethodGet, path: "/notifications/", token: a.token}, &list); err != nil {
		return err
	}
	got := 0
	for _, one := range list.Results {
		if one.Type == kind {
			got++
		}
	}
	if got != want {
		return fmt.Errorf("%s has %d notifications %s of %d, want %d", a.username, got, kind, len(list.Results), want)
	}
	return nil
}
