package scale_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// usage is what the controller has used since its start.
type usage struct {
	cpu        float64 // seconds
	memory     float64 // resident, bytes, now
	requests   float64 // to the API server
	statements int     // to Postgres
	reconciles float64
	queued     float64 // objects that wait, now
}

// usage reads the controller's own metrics, and the number of its statements from Postgres.
func (h *hospital) usage(t *testing.T) usage {
	t.Helper()
	u := h.metrics(t)
	u.statements = h.statements()
	return u
}

// statements counts those that Postgres has carried out for controllers.
func (h *hospital) statements() int {
	return h.statistics.Count(`SELECT coalesce(sum(s.calls), 0)::bigint FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
		WHERE r.rolname = 'healthrecords_controller'`)
}

func (h *hospital) metrics(t *testing.T) (u usage) {
	t.Helper()
	request := testkit.Value(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.controller.Admin+"/metrics", nil))(t)
	response, err := http.DefaultClient.Do(request)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families := testkit.Value(parser.TextToMetricFamilies(response.Body))(t)
	sum := func(name string) (total float64) {
		for _, metric := range families[name].GetMetric() {
			total += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
		return total
	}
	return usage{
		cpu: sum("process_cpu_seconds_total"), memory: sum("process_resident_memory_bytes"), requests: sum("rest_client_requests_total"),
		reconciles: sum("controller_runtime_reconcile_total"), queued: sum("workqueue_depth"),
	}
}

func (u usage) since(before usage) usage {
	u.cpu -= before.cpu
	u.requests -= before.requests
	u.statements -= before.statements
	u.reconciles -= before.reconciles
	return u
}

// perObject tells what was used for each of the objects, and the memory of all.
func (u usage) perObject(objects int) string {
	n := float64(objects)
	return fmt.Sprintf("%.2f ms of CPU, %.1f requests, %.1f statements, %.1f passes; %.0f MiB resident", u.cpu*1000/n, u.requests/n,
		float64(u.statements)/n, u.reconciles/n, u.memory/(1<<20))
}

// awaitFirstPass waits until the controller has begun to reconcile the objects that were there at its start.
func (h *hospital) awaitFirstPass(t *testing.T) {
	t.Helper()
	await(t, "the controller's first pass", func() bool { return h.metrics(t).reconciles > 0 }, 5*time.Millisecond)
}

// awaitSettled waits until the controller has reconciled every object since its start, and none waits.
func (h *hospital) awaitSettled(t *testing.T, objects int) {
	t.Helper()
	await(t, "the controller to settle", func() bool {
		u := h.metrics(t)
		return u.reconciles >= float64(objects) && u.queued == 0
	}, 100*time.Millisecond)
}

// limit fails if -limits is set and the figure exceeds its limit.
func limit[T float64 | time.Duration](t *testing.T, what string, figure, most T) {
	t.Helper()
	if *limited && figure > most {
		t.Errorf("%s: %v, more than %v", what, figure, most)
	}
}

func round(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}

// percentile returns the value of sorted durations that p percent do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)*p+99)/100-1]
}
