package controllers

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// collectTimeout limits a scrape while the cache waits for the API server. Prometheus gives up after ten seconds.
const collectTimeout = 5 * time.Second

// stateCollector counts the objects in the cache by the status and reason of their Ready condition, at each scrape.
type stateCollector struct {
	reader  client.Reader
	objects *prometheus.Desc
}

func newStateCollector(reader client.Reader) *stateCollector {
	return &stateCollector{reader: reader, objects: prometheus.NewDesc("healthrecords_doctorassignments",
		"DoctorAssignment objects by the status and reason of their Ready condition.", []string{"ready", "reason"}, nil)}
}

// Describe tells Prometheus what Collect sends.
func (c *stateCollector) Describe(descs chan<- *prometheus.Desc) { descs <- c.objects }

// Collect sends one gauge for each status and reason that some object has.
func (c *stateCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	var list v1alpha1.DoctorAssignmentList
	if err := c.reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "counting the DoctorAssignments") // for example, the cache has not started or is not synchronized
		return
	}
	type state struct{ ready, reason string }
	states := map[state]float64{}
	for i := range list.Items {
		s := state{ready: "Unknown", reason: ""}
		if ready := apimeta.FindStatusCondition(list.Items[i].Status.Conditions, v1alpha1.ReadyCondition); ready != nil {
			s = state{ready: string(ready.Status), reason: ready.Reason}
		}
		states[s]++
	}
	for s, n := range states {
		metrics <- prometheus.MustNewConstMetric(c.objects, prometheus.GaugeValue, n, s.ready, s.reason)
	}
}
