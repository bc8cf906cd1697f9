package canary_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/program"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
	"github.com/healthrecords/healthrecords/internal/token"
)

// platform is the whole platform in separate processes, with as much output as possible: debug logs and every span.
type platform struct {
	api       string // URL without /api
	parts     map[string]*program.Part
	redis     *services.Redis
	db        *testkit.Factory
	signer    *token.Signer
	cluster   client.Client
	namespace string
	spans     *spans
	code      string // for a new password of the owner
	device    string // the User-Agent of the next requests; "": that of Go
}

func startPlatform(t *testing.T) *platform {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	keysDir := program.NewKeys(t)
	keys, err := token.LoadKeys(keysDir)
	testkit.Must(t, err)
	p := &platform{redis: testkit.StartRedis(t), db: testkit.NewFactory(t, dsn), parts: map[string]*program.Part{}}
	p.signer, err = token.NewSigner(token.AccessOptions{Keys: keys, Issuer: "healthrecords", Audience: "healthrecords"})
	testkit.Must(t, err)
	p.connect(t)
	shared := []string{
		"REDIS_URL=" + p.redis.URL(0), "LOG_LEVEL=debug", "OTEL_EXPORTER_OTLP_ENDPOINT=" + p.collect(t), "OTEL_BSP_SCHEDULE_DELAY=50",
	}
	address := program.FreeAddress(t)
	p.api = "http://" + address
	for part, env := range map[schema.Part][]string{
		schema.PartServer:     {"LISTEN_ADDRESS=" + address, "SIGNING_KEYS_DIR=" + keysDir},
		schema.PartWorker:     {"AUDIT_KEYS_DIR=" + program.NewKeys(t)},
		schema.PartController: {"KUBECONFIG=" + testkit.Kubeconfig(t), "LEADER_ELECT=false", "REQUESTER_STAMPED=true"},
	} {
		env = append(append(env, shared...), "DATABASE_URL="+rights.URL(t, dsn, part))
		p.parts[string(part)] = program.Start(t, string(part), env...)
	}
	return p
}

func (p *platform) connect(t *testing.T) {
	t.Helper()
	scheme := runtime.NewScheme()
	testkit.Must(t, v1alpha1.AddToScheme(scheme))
	testkit.Must(t, clientgoscheme.AddToScheme(scheme))
	var err error
	p.cluster, err = client.New(testkit.ControlPlane(t), client.Options{Scheme: scheme})
	testkit.Must(t, err)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "canary-"}}
	testkit.Must(t, p.cluster.Create(t.Context(), namespace))
	p.namespace = namespace.Name
}

// spans is a collector that keeps the text of all received spans.
type spans struct {
	collector.UnimplementedTraceServiceServer
	mutex sync.Mutex
	text  string
}

// Export implements collector.TraceServiceServer.
func (s *spans) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.text += r.String()
	return &collector.ExportTraceServiceResponse{}, nil
}

func (s *spans) String() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.text
}

// collect starts the collector and returns its URL.
func (p *platform) collect(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	p.spans = &spans{}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, p.spans)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return "http://" + listener.Addr().String()
}

// await returns once condition holds.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("in vain: %s", what)
		}
	}
}
