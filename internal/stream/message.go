package stream

import (
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// The fields of an entry.
const (
	fieldEvent   = "id"
	fieldType    = "type"
	fieldAttempt = "attempt"
)

// Message is one delivery of an event.
type Message struct {
	Entry   string // id of the stream's entry, to acknowledge it by
	EventID int64
	Type    clinic.EventType // as in the entry: any text, only for people to read
	Attempt int              // how often the event was published, this time included
}

// Batch is the result of one Read or Reclaim.
type Batch struct {
	Messages []Message
	// Undecodable counts the entries that were no messages. They were
	// moved to the dead-letter stream.
	Undecodable int
	// Lost means that this Read made the consumer group: it is the first Read ever, or
	// Redis lost the published entries. Only one of several consumers gets it.
	Lost bool
}

func encode(e clinic.Event) []any {
	return []any{fieldEvent, e.ID, fieldType, string(e.Type), fieldAttempt, e.Attempts}
}

func decode(entry redis.XMessage) (Message, error) {
	id, err := strconv.ParseInt(text(entry, fieldEvent), 10, 64)
	if err != nil || id <= 0 {
		return Message{}, fmt.Errorf("entry %s has no event id", entry.ID)
	}
	attempt, err := strconv.Atoi(text(entry, fieldAttempt))
	if err != nil {
		return Message{}, fmt.Errorf("entry %s has no attempt", entry.ID)
	}
	return Message{Entry: entry.ID, EventID: id, Type: clinic.EventType(text(entry, fieldType)), Attempt: attempt}, nil
}

func text(entry redis.XMessage, field string) string {
	value, _ := entry.Values[field].(string)
	return value
}
