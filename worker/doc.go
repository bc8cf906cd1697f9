// Package worker runs the background loops of the platform, one per file. Begin
// with [New], which creates them, and with relay.go, a typical loop. The consumer
// and the reclaimer share the handler (handler.go). outcome.go defines the
// possible results of a delivery.
//
//	relay      publishes open events from the outbox to the Redis stream
//	consumer   turns delivered events into notifications
//	reclaimer  takes over entries that other consumers have not finished
//	trimmer    deletes finished events and other expired data
//	sealer     seals the audit log
//	months     creates the audit log's partitions ahead of time
//	monitor    measures how far the other loops are behind
//
// Events are delivered at least once, but take effect exactly once: the service
// commits the notifications of an event and the end of its outbox row in one
// transaction, and publishes an open row again until then. Therefore each loop
// may stop at any point, any number of workers may run, and Redis may lose all of
// its data.
package worker
