package chart

import (
	"bytes"
	"log/slog"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	_ "github.com/healthrecords/healthrecords/controllers" // registers controller-runtime's metrics
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/stream"
	"github.com/healthrecords/healthrecords/internal/telemetry"
	"github.com/healthrecords/healthrecords/internal/token"
	"github.com/healthrecords/healthrecords/server"
	"github.com/healthrecords/healthrecords/worker"
)

// TestMetricsExist compares the metrics in alerts and dashboards with those of the programs, with Prometheus' parsers.
func TestMetricsExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{
		"healthrecords_doctorassignments": true, // registered with a manager, which needs a cluster; controllers tests it
	}
	registry := registryOfParts(t)
	for _, collector := range []any{registry, metrics.Registry} {
		for _, name := range described(t, collector) {
			known[name] = true
		}
	}
	files, err := filepath.Glob(chartDir + "/dashboards/*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("the dashboards are %v, %v", files, err)
	}
	for _, name := range metricNames(t, append(files, chartDir+"/files/alerts.yaml")...) {
		plain := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
		if !known[name] && !known[plain] {
			t.Errorf("no program has the metric %s", name)
		}
	}
}

// registryOfParts returns a registry with the metrics of the server and the worker.
func registryOfParts(t *testing.T) *prometheus.Registry {
	t.Helper()
	registry := telemetry.NewRegistry("test")
	db, err := store.Open(t.Context(), store.Options{URL: "postgres://nobody@127.0.0.1:1/none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	directory := t.TempDir()
	if _, err := token.GenerateKey(directory); err != nil {
		t.Fatal(err)
	}
	keys, err := token.LoadKeys(directory)
	if err != nil {
		t.Fatal(err)
	}
	access := token.AccessOptions{Keys: keys, Issuer: "test", Audience: "test"}
	verifier, err := token.NewVerifier(access)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.NewSigner(access)
	if err != nil {
		t.Fatal(err)
	}
	passwords, err := token.NewHasher(token.HasherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	api, err := service.NewAPI(service.APIOptions{DB: db, Passwords: passwords, Tokens: signer})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if _, err := server.New(server.Options{Service: api, Verifier: verifier, Metrics: registry, Log: log}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.LimitConnections(nil, server.ConnectionOptions{Metrics: registry}); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { _ = client.Close() })
	events, err := stream.New(stream.Options{Client: client, KeyPrefix: "test:"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := worker.New(worker.Options{Outbox: service.NewOutbox(db), Cleanup: service.NewCleanup(db), Stream: events, Registerer: registry, Log: log}); err != nil {
		t.Fatal(err)
	}
	return registry
}

// described returns the names of the metrics that a registry can have.
func described(t *testing.T, registry any) []string {
	t.Helper()
	collector, ok := registry.(prometheus.Collector)
	if !ok {
		t.Fatalf("%T does not describe its metrics", registry)
	}
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		collector.Describe(descriptions)
	}()
	var names []string
	for description := range descriptions {
		names = append(names, regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(description.String())[1])
	}
	return names
}

// metricNames runs hack/metricnames.
func metricNames(t *testing.T, files ...string) []string {
	t.Helper()
	for i, file := range files {
		absolute, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = absolute
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "."}, files...)...)
	cmd.Dir = root + "/hack/metricnames"
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return strings.Fields(string(output))
}

// TestRuleIsTheFile compares the rules that Prometheus gets with the file that the other tests check.
func TestRuleIsTheFile(t *testing.T) {
	t.Parallel()
	objects := render(t, "--set", "monitoring.prometheusRule.enabled=true")
	groups, _, _ := unstructured.NestedSlice(objects["PrometheusRule/clinic-healthrecords-metrics"].Object, "spec", "groups")
	content := mustYAML(t, object{"groups": groups})
	file := filepath.Join(t.TempDir(), "rules.yaml")
	writeFile(t, file, content)
	if !slices.Equal(metricNames(t, file), metricNames(t, chartDir+"/files/alerts.yaml")) {
		t.Errorf("the rule is not the file:\n%s", content)
	}
	fewer := render(t, "--set", "monitoring.prometheusRule.enabled=true", "--set", "monitoring.prometheusRule.disabledAlerts={HealthrecordsServerSlow}")
	if rules := strings.Count(string(mustYAML(t, fewer["PrometheusRule/clinic-healthrecords-metrics"].Object)), "alert:"); rules != strings.Count(string(content), "alert:")-1 {
		t.Errorf("%d alerts are left", rules)
	}
}
