package process_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit/process"
)

const parentRole = "PROCESS_TEST_PARENT"

// TestMain also runs as the parent that TestChildDiesWithItsParent kills.
func TestMain(m *testing.M) {
	if os.Getenv(parentRole) == "" {
		m.Run()
		return
	}
	child, err := process.Start(process.Options{Name: "child", Path: "/bin/sleep", Args: []string{"60"}})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return
	}
	_, _ = fmt.Fprintln(os.Stdout, child.Pid())
	<-child.Done()
}

func TestChildDiesWithItsParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a child whose parent died")
	}
	parent := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // G702: this test's own program
	parent.Env = append(os.Environ(), parentRole+"=yes")
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	await(t, "the child's end", func() bool { return !running(child) })
}

func TestStopSendsTheSignalAndWaits(t *testing.T) {
	t.Parallel()
	var output bytes.Buffer
	p := startShell(t, "trap 'echo stopped; exit' TERM; echo ready; while :; do sleep 0.05; done", &output)
	awaitOutput(t, p, "ready")
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err != nil {
		t.Errorf("Err() = %v, want an orderly end", err)
	}
	if got, want := output.String(), "ready\nstopped\n"; got != want {
		t.Errorf("output = %q, want %q", got, want)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("stopping again: %v", err)
	}
}

func TestStopKillsWhatDoesNotStop(t *testing.T) {
	t.Parallel()
	p := startShell(t, "trap '' TERM; echo ready; while :; do sleep 0.05; done", nil)
	awaitOutput(t, p, "ready")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop() = %v, want the deadline", err)
	}
	if running(p.Pid()) {
		t.Error("the child still runs")
	}
}

func TestWaitReadyTellsHowAChildEnded(t *testing.T) {
	t.Parallel()
	p := startShell(t, "echo no luck; exit 3", nil)
	err := p.WaitReady(t.Context(), func(context.Context) error { return errors.New("not yet") })
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("WaitReady() = %v, want exit code 3", err)
	}
	if got := p.Tail(); got != "no luck" {
		t.Errorf("Tail() = %q", got)
	}
}

func TestTailKeepsTheLastWholeLines(t *testing.T) {
	t.Parallel()
	p := startShell(t, "for i in $(seq 5000); do echo line $i; done", nil)
	<-p.Done()
	lines := strings.Split(p.Tail(), "\n")
	if first, last := lines[0], lines[len(lines)-1]; !strings.HasPrefix(first, "line ") || last != "line 5000" || len(lines) > 1000 {
		t.Errorf("%d lines from %q to %q", len(lines), first, last)
	}
}

func TestStartReportsAMissingProgram(t *testing.T) {
	t.Parallel()
	if _, err := process.Start(process.Options{Name: "nothing", Path: "/nonexistent"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start() = %v, want os.ErrNotExist", err)
	}
}

func startShell(t *testing.T, script string, output *bytes.Buffer) *process.Process {
	t.Helper()
	options := process.Options{Name: "shell", Path: "/bin/sh", Args: []string{"-c", script}}
	if output != nil {
		options.Output = output
	}
	p, err := process.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func awaitOutput(t *testing.T, p *process.Process, text string) {
	t.Helper()
	await(t, "output "+text, func() bool { return strings.Contains(p.Tail(), text) })
}

// running reports whether a process exists, other than one that has ended and waits for its parent.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !bytes.Contains(status, []byte(") Z "))
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline, ticker := time.After(10*time.Second), time.NewTicker(10*time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("timed out waiting for %s", what)
		case <-ticker.C:
		}
	}
}
