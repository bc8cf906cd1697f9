package crash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

const (
	password   = "securepass123"
	retryPause = 50 * time.Millisecond
)

var errAgain = errors.New("not answered")

// account is a user who registered over the API.
type account struct {
	UserID    int64
	PatientID int64 // of the profile, for a patient
	token     string
}

func (p platform) register(t *testing.T, username, userType string) account {
	t.Helper()
	var answer struct {
		User   struct{ ID int64 }
		Tokens struct{ Access string }
	}
	err := p.post(t.Context(), call{path: "/auth/register/", want: http.StatusCreated, body: map[string]any{
		"username": username, "email": username + "@example.com", "password": password, "password_confirm": password,
		"first_name": "First", "last_name": "Last", "user_type": userType,
	}}, &answer)
	if err != nil {
		t.Fatal(err)
	}
	a := account{UserID: answer.User.ID, token: answer.Tokens.Access}
	if userType == "PATIENT" {
		a.PatientID = int64(p.db.Count(`SELECT id FROM patient_profiles WHERE user_id = $1`, a.UserID))
	}
	return a
}

// assign lets the doctor assign themselves to the patient.
func (p platform) assign(t *testing.T, doctor, patient account) {
	t.Helper()
	body := map[string]any{"patient_id": patient.PatientID, "reason": "primary care"}
	var answer struct{}
	if err := p.post(t.Context(), call{path: "/auth/assign-doctor/", token: doctor.token, body: body, want: http.StatusOK}, &answer); err != nil {
		t.Fatal(err)
	}
}

// createRecord posts a record until it is answered 201, each time with the same Idempotency-Key, and returns its id.
// It also returns how often it repeated the request.
func (p platform) createRecord(ctx context.Context, patient account, number int) (id int64, repeats int, err error) {
	request := call{
		path: "/health-records/", token: patient.token, key: fmt.Sprintf("visit-%d", number), want: http.StatusCreated,
		body: map[string]any{
			"record_type": "CHECKUP", "title": titleOf(number), "description": "Routine", "visit_date": "2025-05-27T10:00:00Z",
		},
	}
	for ; ; repeats++ {
		var answer struct{ ID int64 }
		err := p.post(ctx, request, &answer)
		if !errors.Is(err, errAgain) {
			return answer.ID, repeats, err
		}
		select {
		case <-ctx.Done():
			return 0, repeats, ctx.Err()
		case <-time.After(retryPause):
		}
	}
}

func titleOf(number int) string { return fmt.Sprintf("Visit %d", number) }

// call is a request and its expected status.
type call struct {
	path, token, key string
	body             map[string]any
	want             int
}

// post sends one request. The error is errAgain if there was no answer, or if the answer says to try again.
func (p platform) post(ctx context.Context, c call, into any) error {
	content, err := json.Marshal(c.body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.api+c.path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.key != "" {
		request.Header.Set("Idempotency-Key", c.key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	defer response.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	switch {
	case response.StatusCode == http.StatusServiceUnavailable, response.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("%w: %d", errAgain, response.StatusCode)
	case response.StatusCode != c.want:
		return fmt.Errorf("%s answers %d, want %d: %s", c.path, response.StatusCode, c.want, answer.Bytes())
	}
	return json.Unmarshal(answer.Bytes(), into)
}
