package chart

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The series of a healthy platform, with one sample per minute for three hours, in promtool's notation.
const (
	serverInfo     = `healthrecords_build_info{namespace="a",part="server",version="1"}`
	inFlight       = `healthrecords_http_requests_in_flight{namespace="a",part="server"}`
	answered       = `healthrecords_http_request_duration_seconds_count{namespace="a",part="server",status="2xx"}`
	quick          = `healthrecords_http_request_duration_seconds_bucket{namespace="a",part="server",le="0.1"}`
	slow           = `healthrecords_http_request_duration_seconds_bucket{namespace="a",part="server",le="5"}`
	all            = `healthrecords_http_request_duration_seconds_bucket{namespace="a",part="server",le="+Inf"}`
	opened         = `healthrecords_break_glass_total{namespace="a",part="server"}`
	workerInfo     = `healthrecords_build_info{namespace="a",part="worker",version="1"}`
	batches        = `healthrecords_worker_batch_duration_seconds_count{namespace="a",part="worker"}`
	open           = `healthrecords_outbox_open_events{namespace="a",part="worker"}`
	oldest         = `healthrecords_outbox_oldest_event_age_seconds{namespace="a",part="worker"}`
	waiting        = `healthrecords_stream_waiting_entries{namespace="a",part="worker"}`
	unsealed       = `healthrecords_audit_oldest_unsealed_row_age_seconds{namespace="a",part="worker"}`
	garbage        = `healthrecords_worker_undecodable_entries_total{namespace="a",part="worker"}`
	dead           = `healthrecords_worker_events_handled_total{namespace="a",part="worker",type="record.created",outcome="dead"}`
	controllerInfo = `healthrecords_build_info{namespace="a",part="controller",version="1"}`
	leads          = `leader_election_master_status{namespace="a",part="controller",name="healthrecords-controller.healthrecords.io"}`
	faults         = `controller_runtime_reconcile_errors_total{namespace="a",part="controller",controller="doctorassignment"}`
	unready        = `healthrecords_doctorassignments{namespace="a",part="controller",ready="False",reason="DoctorNotFound"}`
)

func healthy() map[string]string {
	return map[string]string{
		serverInfo: "1x180", inFlight: "0x180", answered: "0+600x180", quick: "0+600x180", slow: "0+600x180", all: "0+600x180", opened: "0x180",
		workerInfo: "1x180", batches: "0+1x180", open: "1x180", oldest: "1x180", waiting: "0x180", unsealed: "2x180", garbage: "0x180",
		controllerInfo: "1x180", leads: "1x180", faults: "0x180",
	}
}

// state is the difference of a platform from a healthy one, and the alerts that fire: "HealthrecordsServerSlow a" fires in
// namespace a. No other alert may fire.
type state struct {
	name   string
	change map[string]string // series to values; "" removes a series
	fire   map[string][]string
}

// gone returns a change that ends all series of a part after ten minutes.
func gone(part string) map[string]string {
	change := map[string]string{}
	for name, values := range healthy() {
		if strings.Contains(name, `part="`+part+`"`) {
			change[name] = strings.Replace(values, "x180", "x10", 1) + " stale"
		}
	}
	return change
}

func states() []state {
	const ended = "1x10 stale"
	return []state{
		{name: "all is well", fire: map[string][]string{"30m": nil, "3h": nil}},
		{"no worker runs", gone("worker"), map[string][]string{"15m": nil, "17m": {"HealthrecordsWorkerAbsent a"}, "3h": {"HealthrecordsWorkerAbsent a"}}},
		{"no server runs", gone("server"), map[string][]string{"15m": nil, "17m": {"HealthrecordsServerAbsent a"}}},
		{"no controller runs", gone("controller"), map[string][]string{"15m": nil, "17m": {"HealthrecordsControllerAbsent a"}}},
		{"no worker ever ran", map[string]string{workerInfo: "", batches: "", open: "", oldest: "", waiting: "", unsealed: "", garbage: ""}, map[string][]string{"4m": nil, "6m": {"HealthrecordsWorkerAbsent a"}}},
		{"a controller without an election", map[string]string{leads: "", `controller_runtime_max_concurrent_reconciles{namespace="a",controller="doctorassignment"}`: "4x180"}, map[string][]string{"30m": nil}},
		{"the worker of another namespace is gone", map[string]string{
			`healthrecords_build_info{namespace="b",part="server",version="1"}`: "1x180", `healthrecords_http_requests_in_flight{namespace="b",part="server"}`: "0x180",
		}, map[string][]string{"30m": {"HealthrecordsControllerAbsent b", "HealthrecordsWorkerAbsent b"}}},
		{"nothing is there", map[string]string{
			serverInfo: "", inFlight: "", answered: "", quick: "", slow: "", all: "", opened: "", workerInfo: "", batches: "", open: "", oldest: "", waiting: "", unsealed: "",
			garbage: "", controllerInfo: "", leads: "", faults: "",
		}, map[string][]string{"30m": {"HealthrecordsControllerAbsent ", "HealthrecordsServerAbsent ", "HealthrecordsWorkerAbsent "}}},
		{"Postgres is away from the workers", map[string]string{open: ended, oldest: ended, unsealed: ended}, map[string][]string{"15m": nil, "17m": {"HealthrecordsWorkerWithoutPostgres a"}}},
		{"one of two workers reaches Postgres", map[string]string{
			open: ended, oldest: ended, unsealed: ended, `healthrecords_outbox_open_events{namespace="a",part="other worker"}`: "1x180",
			`healthrecords_audit_oldest_unsealed_row_age_seconds{namespace="a",part="other worker"}`: "1x180",
		}, map[string][]string{"30m": nil}},
		{"Redis is away from the workers", map[string]string{waiting: ended}, map[string][]string{"15m": nil, "17m": {"HealthrecordsWorkerWithoutRedis a"}}},
		{"sealing stalls", map[string]string{unsealed: "2x10 60+60x100"}, map[string][]string{"25m": nil, "27m": {"HealthrecordsAuditNotSealed a"}}},
		{"sealing cannot be measured", map[string]string{unsealed: ended}, map[string][]string{"15m": nil, "17m": {"HealthrecordsAuditNotSealed a"}}},
		{"clients leave", map[string]string{strings.Replace(answered, "2xx", "499", 1): "0+300x180"}, map[string][]string{"9m": nil, "30m": {"HealthrecordsClientsLeave a"}}},
		{"some clients leave", map[string]string{strings.Replace(answered, "2xx", "499", 1): "0+60x180"}, map[string][]string{"30m": nil}},
		{"the API fails", map[string]string{strings.Replace(answered, "2xx", "5xx", 1): "0+60x180"}, map[string][]string{"30m": {"HealthrecordsServerErrors a"}}},
		{"the API is slow", map[string]string{quick: "0+500x180"}, map[string][]string{"30m": {"HealthrecordsServerSlow a"}}},
		{"events wait", map[string]string{oldest: "1x10 90x100"}, map[string][]string{"15m": nil, "17m": {"HealthrecordsNotificationsLate a"}}},
		{"events die", map[string]string{dead: "_x20 3x160"}, map[string][]string{"19m": nil, "21m": {"HealthrecordsEventsSetAside a"}, "30m": {"HealthrecordsEventsSetAside a"}, "1h": nil}},
		{"the stream has garbage", map[string]string{garbage: "0x20 1x160"}, map[string][]string{"19m": nil, "25m": {"HealthrecordsUndecodableEntries a"}, "1h": nil}},
		{"a doctor opens emergency access", map[string]string{opened: "0x20 1x160"}, map[string][]string{"19m": nil, "25m": {"HealthrecordsBreakGlass a"}, "1h": nil}},
		{"an object is not ready", map[string]string{unready: "1x180"}, map[string][]string{"59m": nil, "61m": {"HealthrecordsAssignmentsNotReady a"}}},
		{"the controller fails", map[string]string{faults: "0+5x180"}, map[string][]string{"14m": nil, "30m": {"HealthrecordsControllerErrors a"}}},
		{"no controller leads", map[string]string{leads: "0x180"}, map[string][]string{"4m": nil, "6m": {"HealthrecordsControllerWithoutLeader a"}}},
		{"an update does not end", map[string]string{strings.Replace(serverInfo, `version="1"`, `version="2"`, 1): "1x180"}, map[string][]string{"29m": nil, "31m": {"HealthrecordsVersionsDiffer a"}}},
	}
}

// test returns the state as a test for promtool.
func (s state) test() object {
	values := healthy()
	for name, value := range s.change {
		values[name] = value
	}
	var series, expectations []any
	for name, value := range values {
		if value != "" {
			series = append(series, object{"series": name, "values": value})
		}
	}
	for at, alerts := range s.fire {
		var firing []any
		for _, alert := range alerts {
			name, namespace, _ := strings.Cut(alert, " ")
			labels := fmt.Sprintf(`{alertname=%q}`, name)
			if namespace != "" {
				labels = fmt.Sprintf(`{alertname=%q,namespace=%q}`, name, namespace)
			}
			firing = append(firing, object{"labels": labels, "value": 1})
		}
		expectations = append(expectations, object{"expr": `count by (alertname, namespace) (ALERTS{alertstate="firing"})`, "eval_time": at, "exp_samples": firing})
	}
	return object{"name": s.name, "interval": "1m", "input_series": series, "promql_expr_test": expectations}
}

// TestAlerts lets promtool evaluate the rules in each state.
func TestAlerts(t *testing.T) {
	t.Parallel()
	rules, err := filepath.Abs(chartDir + "/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("%v; `make test-deps` installs it", err)
	}
	for _, s := range states() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "test.yaml")
			writeFile(t, file, mustYAML(t, object{"rule_files": []any{rules}, "evaluation_interval": "1m", "tests": []any{s.test()}}))
			if output, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}

// TestEveryAlertIsTested fails for alerts that fire in no state.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(chartDir + "/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var fire []string
	for _, s := range states() {
		for _, alerts := range s.fire {
			for _, alert := range alerts {
				fire = append(fire, strings.Fields(alert)[0])
			}
		}
	}
	for _, match := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(content), -1) {
		if !slices.Contains(fire, match[1]) {
			t.Errorf("%s fires in no test", match[1])
		}
	}
}
