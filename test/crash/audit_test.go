package crash_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
)

const reads = 1500

// Every answered read has its audit row, even if the server is killed right after the answer.
func TestAKilledServerLosesNoAuditRow(t *testing.T) {
	t.Parallel()
	p := startPlatform(t)
	patient := p.register(t, "reader", "PATIENT")
	id, _, err := p.createRecord(t.Context(), patient, 0)
	if err != nil {
		t.Fatal(err)
	}
	answered := readWhileKilled(t, p, fmt.Sprintf("/health-records/%d/", id), patient)
	for request := range answered {
		if n := p.db.Count(`SELECT count(*) FROM audit_log WHERE request_id = $1 AND user_id = $2 AND decision = 'allowed'`, request, patient.UserID); n != 1 {
			t.Errorf("the answered request %s has %d rows", request, n)
		}
	}
	t.Logf("%d reads were answered", len(answered))
}

// readWhileKilled reads with several clients while the server is killed three times, and returns the ids of the answered
// requests.
func readWhileKilled(t *testing.T, p platform, path string, as account) map[string]bool {
	t.Helper()
	var mutex sync.Mutex
	answered := map[string]bool{}
	count := func() int {
		mutex.Lock()
		defer mutex.Unlock()
		return len(answered)
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for client := range readers {
		clients.Go(func() {
			for number := 0; ctx.Err() == nil; number++ {
				request := fmt.Sprintf("read-%d-%d", client, number)
				if p.read(ctx, path, as, request) {
					mutex.Lock()
					answered[request] = true
					mutex.Unlock()
				}
			}
		})
	}
	for i := range 3 {
		err := await(ctx, func() bool { return count() >= reads*(i+1)/3 })
		if err == nil {
			err = p.server.Crash(ctx)
		}
		if err != nil {
			t.Error(err)
		}
	}
	stop()
	clients.Wait()
	return answered
}

const readers = 16

// read reports whether the request succeeded.
func (p platform) read(ctx context.Context, path string, as account, id string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.api+path, nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+as.token)
	request.Header.Set("X-Request-ID", id)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // the status shows that it was answered
	return response.StatusCode == http.StatusOK
}
