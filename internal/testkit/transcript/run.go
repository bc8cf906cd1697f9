package transcript

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience is how long one command may take.
const patience = 2 * time.Minute

// Run runs the steps in one shell with the environment, in the directory, and fails at the first whose output differs from
// the page.
func Run(t *testing.T, dir string, environment []string, steps []Step) {
	t.Helper()
	each(t, dir, environment, steps, func(step *Step, output string) {
		if want, got := Normalize(step.Output), Normalize(output); !step.Silent && want != got {
			t.Fatalf("line %d: the output differs from the page\n$ %s--- the page\n%s\n--- the command\n%s", step.Line, step.Command, step.Output, output)
		}
	})
}

// Record runs the steps of the page at path, and writes the output of each into the page.
func Record(t *testing.T, dir string, environment []string, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page, steps := string(content), Parse(string(content))
	lines := strings.Split(page, "\n")
	each(t, dir, environment, steps, func(step *Step, output string) { step.Output = output })
	for _, step := range slices.Backward(steps) {
		if step.Silent {
			continue
		}
		first := step.Line - 1 + strings.Count(step.Command, "\n")
		last := first
		for !strings.HasPrefix(lines[last], "$ ") && !strings.HasPrefix(lines[last], "```") {
			last++
		}
		output := strings.TrimRight(step.Output, "\n")
		lines = slices.Replace(lines, first, last)
		if output != "" {
			lines = slices.Insert(lines, first, strings.Split(output, "\n")...)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644); err != nil { //nolint:gosec // it is a page of docs
		t.Fatal(err)
	}
}

func each(t *testing.T, dir string, environment []string, steps []Step, do func(step *Step, output string)) {
	t.Helper()
	if len(steps) == 0 {
		t.Fatal("the page has no commands")
	}
	shell := startShell(t, dir, environment)
	for i := range steps {
		output, err := shell.run(steps[i].Command)
		if err != nil {
			t.Fatalf("line %d: %v\n$ %s%s", steps[i].Line, err, steps[i].Command, output)
		}
		do(&steps[i], output)
	}
}

// shell is a bash that reads commands from a pipe.
type shell struct {
	input  io.Writer
	output *bufio.Reader
}

// end is what the shell prints after each command.
const end = "\x01the command has ended\x01"

func startShell(t *testing.T, dir string, environment []string) *shell {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc")
	cmd.Dir, cmd.Env = dir, environment
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close() // the shell ends
		_ = reader.Close()
		timer := time.AfterFunc(10*time.Second, cancel)
		defer timer.Stop()
		_ = cmd.Wait()
		cancel()
	})
	return &shell{input: input, output: bufio.NewReader(reader)}
}

// run runs one command, which may have several lines, and returns what it prints. The command reads no input, because the
// next ones are in the shell's.
func (s *shell) run(command string) (string, error) {
	if _, err := fmt.Fprintf(s.input, "{ %s\n} </dev/null\necho $'%s'\n", strings.TrimRight(command, "\n"), strings.ReplaceAll(end, "\x01", `\x01`)); err != nil {
		return "", fmt.Errorf("the shell has ended: %w", err)
	}
	type result struct {
		output string
		err    error
	}
	done := make(chan result, 1)
	go func() {
		var b strings.Builder
		for {
			line, err := s.output.ReadString('\n')
			if before, ok := strings.CutSuffix(line, end+"\n"); ok {
				done <- result{output: b.String() + before}
				return
			}
			b.WriteString(line)
			if err != nil {
				done <- result{b.String(), fmt.Errorf("reading the output: %w", err)}
				return
			}
		}
	}()
	select {
	case r := <-done:
		return r.output, r.err
	case <-time.After(patience):
		return "", fmt.Errorf("it takes longer than %s", patience)
	}
}
