// Package program runs healthrecords itself, in processes of a test's own: it starts the test's binary as the program that
// it was compiled with. A package that uses it has
//
//	func TestMain(m *testing.M) { program.Main(m, app.Run) }
package program

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/process"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

const asProgram = "HEALTHRECORDS_TEST_PROGRAM"

// Asked reports whether this process should run as the program instead of its test.
func Asked() bool { return os.Getenv(asProgram) != "" }

// Main runs the tests or, if this process should run as the program, run, which is app.Run.
func Main(m *testing.M, run func(args []string, stdin io.Reader, stdout, stderr io.Writer) int) {
	if Asked() {
		os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr)) //nolint:forbidigo // this process is the program
	}
	testkit.Main(m)
}

// Part is a process of the platform that can be killed and started again at the same addresses.
type Part struct {
	Admin   string // host:port of its probes and metrics
	name    string
	env     []string
	process *process.Process
	output  output
}

// Start starts a part with the environment and waits until it is ready. It stops when the test ends.
func Start(t *testing.T, name string, env ...string) *Part {
	t.Helper()
	admin := FreeAddress(t)
	p := &Part{name: name, Admin: admin, env: append(append(os.Environ(), asProgram+"=1", "ADMIN_ADDRESS="+admin), env...)}
	t.Cleanup(func() { p.Stop(t) })
	if err := p.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// Stop stops the process as Kubernetes does, by SIGTERM. At the end of the test this happens by itself.
func (p *Part) Stop(t *testing.T) {
	t.Helper()
	if p.process == nil {
		return
	}
	defer func() { p.process = nil }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := p.process.Stop(ctx); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("the last output of the %s:\n%s", p.name, p.process.Tail())
	}
}

func (p *Part) start(ctx context.Context) (err error) {
	p.process, err = process.Start(process.Options{Name: p.name, Path: os.Args[0], Args: []string{p.name}, Env: p.env, Output: &p.output})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return p.process.WaitReady(ctx, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Admin+"/readyz", nil)
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

// Crash kills the process as kill -9 does and starts it again.
func (p *Part) Crash(ctx context.Context) error {
	p.process.Kill()
	return p.start(ctx)
}

// Output returns everything that the process and its predecessors wrote.
func (p *Part) Output() string { return p.output.String() }

// output is a buffer that a process writes and a test reads.
type output struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.buffer.Write(p)
}

// String returns what was written so far.
func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.buffer.String()
}

// Run runs a subcommand until it ends.
func Run(t *testing.T, args ...string) {
	t.Helper()
	RunWith(t, nil, args...)
}

// RunWith runs a subcommand with the additional environment until it ends.
func RunWith(t *testing.T, env []string, args ...string) {
	t.Helper()
	env = append(append(os.Environ(), asProgram+"=1"), env...)
	p, err := process.Start(process.Options{Name: args[0], Path: os.Args[0], Args: args, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if err := p.Err(); err != nil {
		t.Fatalf("%v: %s", err, p.Tail())
	}
}

// NewKeys returns a directory with a key, for the server's SIGNING_KEYS_DIR or the worker's AUDIT_KEYS_DIR.
func NewKeys(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	Run(t, "keys", "generate", "--dir", dir)
	return dir
}

// FreeAddress returns a host:port of this machine that nothing listens on.
func FreeAddress(t *testing.T) string {
	t.Helper()
	port, err := services.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
