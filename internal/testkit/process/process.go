// Package process runs child programs that cannot outlive the program that started them.
// Tests and the development runner share it.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	pollInterval = 25 * time.Millisecond
	// outputGrace is how long the output of an ended child is still read while a grandchild has the pipe open.
	outputGrace = 2 * time.Second
)

// Options describe a child program.
type Options struct {
	Name string   // for messages
	Path string   // executable
	Args []string // without the program's name
	Env  []string // "NAME=value"; nil inherits the parent's
	Dir  string   // working directory; "" inherits the parent's

	Files       []*os.File          // open in the child too, from descriptor 3 on
	Credential  *syscall.Credential // user to run as; nil keeps the parent's
	Output      io.Writer           // receives stdout and stderr besides Tail; nil for none
	StopSignal  syscall.Signal      // asks the child to end; SIGTERM when zero
	DeathSignal syscall.Signal      // sent by the kernel when the parent dies; SIGKILL when zero
}

// Process is a started child program in its own process group. The kernel ends it when its parent dies, however
// that happens (on Linux; elsewhere a killed parent leaves its children behind).
type Process struct {
	options Options
	cmd     *exec.Cmd
	tail    *tail
	done    chan struct{}
	err     error // set before done is closed
}

// Start starts the program and returns once it runs.
func Start(options Options) (*Process, error) {
	if options.StopSignal == 0 {
		options.StopSignal = syscall.SIGTERM
	}
	if options.DeathSignal == 0 {
		options.DeathSignal = syscall.SIGKILL
	}
	p := &Process{options: options, tail: &tail{}, done: make(chan struct{})}
	p.cmd = exec.Command(options.Path, options.Args...) //nolint:noctx // Stop and Kill end it
	p.cmd.Env, p.cmd.Dir, p.cmd.ExtraFiles = options.Env, options.Dir, options.Files
	p.cmd.Stdout = io.Writer(p.tail)
	if options.Output != nil {
		p.cmd.Stdout = io.MultiWriter(p.tail, options.Output)
	}
	p.cmd.Stderr = p.cmd.Stdout
	p.cmd.WaitDelay = outputGrace
	p.cmd.SysProcAttr = attributes(options)

	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", options.Name, err)
	}
	return p, nil
}

// run starts the child and waits for it on one thread: the kernel sends the death signal when the thread that
// created the child ends, not only when the whole parent does.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	if errors.Is(p.err, exec.ErrWaitDelay) {
		p.err = nil // the child itself ended well
	}
	close(p.done)
}

// Name is the name from the options.
func (p *Process) Name() string { return p.options.Name }

// Pid is the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the child ended, nil for exit code 0. Call it only after Done is closed.
func (p *Process) Err() error { return p.err }

// Tail returns the last lines that the child wrote.
func (p *Process) Tail() string { return p.tail.String() }

// Stop asks the child to end, waits, and kills it when ctx ends first. Stopping an ended child does nothing.
// An error means that the child had to be killed.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(p.options.StopSignal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.Name(), err)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("stopping %s: killed: %w", p.Name(), ctx.Err())
	}
}

// Kill ends the child and everything that it started in its process group with SIGKILL, and waits for its end.
func (p *Process) Kill() {
	select {
	case <-p.done: // the process group's number may belong to another one by now
	default:
		_ = syscall.Kill(-p.Pid(), syscall.SIGKILL) // fails only when nothing is left to kill
		<-p.done
	}
}

// WaitReady calls check until it succeeds. It gives up when the child ends or ctx does; the error then has
// check's last error and the child's last lines.
func (p *Process) WaitReady(ctx context.Context, check func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select { // before the check, which another program may answer on a port that the child did not get
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready: %w\n%s", p.Name(), exitError(p.err), p.Tail())
		default:
		}
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (last check: %w)\n%s", p.Name(), ctx.Err(), err, p.Tail())
		case <-ticker.C:
		}
	}
}

func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}
