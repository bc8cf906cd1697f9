// Package stream is the only place that talks Redis streams. It carries the
// ids of events from the relay to the consumers of one group:
//
//	            Publish              Read                Ack
//	outbox row ─────────► waiting ─────────► pending ─────────► gone
//	                                  ▲         │ │
//	                                  └─────────┘ └───────────► dead-letter stream
//	                                    Reclaim     DeadLetter
//
// An entry that was acknowledged is deleted, so what is in the stream is what
// is waiting or pending. Delivery is at least once, and Redis may lose all of it
// at any moment: the outbox row stays open until the event's effect is committed,
// and is published again. Entries carry ids and types, never health data.
//
// Begin with [Stream.Publish] (publish.go) and [Stream.Read] (consume.go); message.go
// has what an entry holds.
//
// Every error of Redis is a clinic error with CodeUnavailable.
package stream
