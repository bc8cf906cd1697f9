// Package worker runs the background loops of the platform, one per file. Begin
// with [New], which makes them, and with relay.go, which is one of them. The
// handler is what consumer and reclaimer share, and outcome says what becomes of a
// delivery:
//
//	relay      publishes the open events of the outbox to the Redis stream
//	consumer   turns delivered events into notifications
//	reclaimer  takes over what other consumers left
//	trimmer    deletes what is finished and old
//	sealer     seals the audit log
//	months     makes the audit log's partitions ahead of time
//	monitor    measures how far behind all this is
//
// Delivery is at least once and effects are once: the service commits the
// notifications of an event and the end of its outbox row in one transaction,
// and an open row is published again until then. So each loop may stop at any
// point, any number of workers may run, and Redis may lose all that it has.
package worker
