package worker

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/telemetry"
)

type metrics struct {
	published *prometheus.CounterVec
	handled   *prometheus.CounterVec
	duration  prometheus.Histogram

	undecodable prometheus.Counter
	sealed      prometheus.Counter
	indexed     prometheus.Counter
	removed     prometheus.Counter

	open, oldest, waiting, pending, dead, unsealed figure

	unindexed, oldestUnindexed, reindexProgress figure
}

// figure is a gauge that exists only while it can be measured: keeping the last
// value would hide an outage.
type figure struct{ *prometheus.GaugeVec }

func newFigure(name, help string) figure {
	return figure{prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: telemetry.Namespace, Name: name, Help: help}, nil)}
}

// show sets the value, or removes it if measuring it failed.
func (f figure) show(value float64, err error) {
	if err != nil {
		f.Reset()
		return
	}
	f.WithLabelValues().Set(value)
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Subsystem: "worker", Name: "events_published_total",
			Help: "Events published to the stream, repetitions included.",
		}, []string{"type"}),
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Subsystem: "worker", Name: "events_handled_total",
			Help: "Deliveries of events by outcome: done, dropped, dead, retry, pending.",
		}, []string{"type", "outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Subsystem: "worker", Name: "batch_duration_seconds",
			Help: "Time to handle the events that were delivered together.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
		undecodable: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Subsystem: "worker", Name: "undecodable_entries_total",
			Help: "Entries of the stream that could not be decoded as events and were moved to the dead-letter stream.",
		}),
		sealed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Subsystem: "worker", Name: "audit_rows_sealed_total",
			Help: "Rows of the audit log that this worker sealed.",
		}),
		indexed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Subsystem: "worker", Name: "search_records_indexed_total",
			Help: "Records that this worker indexed for the search, repetitions included.",
		}),
		removed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Subsystem: "worker", Name: "records_removed_total",
			Help: "Deleted health records that this worker removed for good after RECORDS_RETENTION.",
		}),
		open:     newFigure("outbox_open_events", "Events whose effects are not committed."),
		oldest:   newFigure("outbox_oldest_event_age_seconds", "Age of the oldest event whose effects are not committed; 0 if all are."),
		waiting:  newFigure("stream_waiting_entries", "Entries of the stream that no consumer has read (lag)."),
		pending:  newFigure("stream_pending_entries", "Entries of the stream that were read and not acknowledged."),
		dead:     newFigure("stream_dead_entries", "Entries in the dead-letter stream."),
		unsealed: newFigure("audit_oldest_unsealed_row_age_seconds", "Age of the oldest row of the audit log that is not sealed; 0 if all are."),

		unindexed:       newFigure("search_pending_changes", "Changes of records that are not in the search index; a search still finds them."),
		oldestUnindexed: newFigure("search_oldest_pending_change_age_seconds", "Age of the oldest change that is not in the search index; 0 if all are."),
		reindexProgress: newFigure("search_reindex_progress_ratio", "Part of the run over all records that is done, from 0 to 1."),
	}
	var faults []error
	for _, collector := range []prometheus.Collector{
		m.published, m.handled, m.duration, m.undecodable, m.sealed, m.removed, m.open, m.oldest, m.waiting, m.pending, m.dead, m.unsealed,
		m.indexed, m.unindexed, m.oldestUnindexed, m.reindexProgress,
	} {
		faults = append(faults, registerer.Register(collector))
	}
	return m, errors.Join(faults...)
}
