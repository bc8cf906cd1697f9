package stream

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// FuzzDecode decodes any entry. A decoded message encodes to the
// same message; the error for another entry quotes none of its fields.
func FuzzDecode(f *testing.F) {
	f.Add("1", string(clinic.EventRecordCreated), "1")
	f.Add("-1", "", "x")
	f.Add("+7", string(clinic.EventCommentCreated), "007")
	f.Add("99999999999999999999", "canary-5c7e", "canary-5c7e")
	f.Fuzz(func(t *testing.T, id, eventType, attempt string) {
		entry := redis.XMessage{ID: "0-1", Values: map[string]any{fieldEvent: id, fieldType: eventType, fieldAttempt: attempt}}
		message, err := decode(entry)
		if err != nil {
			if strings.Contains(err.Error(), "canary-5c7e") {
				t.Errorf("the entry is quoted: %v", err)
			}
			return
		}
		if message.EventID <= 0 || string(message.Type) != eventType {
			t.Errorf("decoded to %+v", message)
		}
	})
}
