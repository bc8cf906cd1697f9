package crash_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/process"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// part is a process of the platform that can be killed and started again at the same addresses.
type part struct {
	name    string
	env     []string
	admin   string // host:port
	process *process.Process
}

// platform is the whole of it, in processes of their own.
type platform struct {
	api    string // URL
	server *part
	worker *part
	redis  *services.Redis
	db     *testkit.Factory
}

func startPlatform(t *testing.T) platform {
	t.Helper()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	keys := t.TempDir()
	auditKeys := t.TempDir()
	runProgram(t, "keys", "generate", "--dir", keys)
	runProgram(t, "keys", "generate", "--dir", auditKeys)
	p := platform{redis: testkit.StartRedis(t), db: testkit.NewFactory(t, dsn)}
	address := freeAddress(t)
	p.api = "http://" + address + "/api"
	shared := []string{"REDIS_URL=" + p.redis.URL(0), "LOG_LEVEL=warn"}
	p.server = newPart(t, "server", append(shared, "DATABASE_URL="+rights.URL(t, dsn, store.PartServer), "LISTEN_ADDRESS="+address, "SIGNING_KEYS_DIR="+keys, "DOCTOR_AUTO_VERIFY=true"))
	p.worker = newPart(t, "worker", append(shared, "DATABASE_URL="+rights.URL(t, dsn, store.PartWorker), "WORKER_RETRY_AFTER=1s", "AUDIT_KEYS_DIR="+auditKeys))
	for _, one := range []*part{p.server, p.worker} {
		if err := one.start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func newPart(t *testing.T, name string, env []string) *part {
	t.Helper()
	admin := freeAddress(t)
	p := &part{name: name, admin: admin, env: append(append(os.Environ(), asProgram+"=1", "ADMIN_ADDRESS="+admin), env...)}
	t.Cleanup(func() {
		if p.process == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := p.process.Stop(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the last words of the %s:\n%s", name, p.process.Tail())
		}
	})
	return p
}

// start starts the process and waits until it is ready.
func (p *part) start(ctx context.Context) (err error) {
	if p.process, err = process.Start(process.Options{Name: p.name, Path: os.Args[0], Args: []string{p.name}, Env: p.env}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return p.process.WaitReady(ctx, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("readiness answers %d", response.StatusCode)
		}
		return nil
	})
}

// crash kills the process as kill -9 does and starts it again.
func (p *part) crash(ctx context.Context) error {
	p.process.Kill()
	return p.start(ctx)
}

func runProgram(t *testing.T, args ...string) {
	t.Helper()
	p, err := process.Start(process.Options{Name: args[0], Path: os.Args[0], Args: args, Env: append(os.Environ(), asProgram+"=1")})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if err := p.Err(); err != nil {
		t.Fatalf("%v: %s", err, p.Tail())
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := services.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
