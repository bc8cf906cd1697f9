package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// generateCommand makes this program a load generator. It is a process of its own, so that the measuring program does not
// disturb it, and so that its use of CPU can be told apart.
const generateCommand = "generate"

// generate carries out the jobs on its input until that ends.
func generate(in io.Reader, out io.Writer) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var j job
		err := decoder.Decode(&j)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a job: %w", err)
		}
		if err := encoder.Encode(j.run()); err != nil {
			return fmt.Errorf("writing an outcome: %w", err)
		}
	}
}

// generator is the process of the load generator. It ends when its input does, also if this process is killed.
type generator struct {
	command *exec.Cmd
	input   io.WriteCloser
	encoder *json.Encoder
	decoder *json.Decoder
}

func startGenerator(ctx context.Context) (*generator, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	g := &generator{command: exec.CommandContext(ctx, program, generateCommand)} //nolint:gosec // itself
	g.command.Stderr = os.Stderr
	g.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the program that started it
	g.input, err = g.command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("opening the load generator's input: %w", err)
	}
	output, err := g.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("opening the load generator's output: %w", err)
	}
	if err := g.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the load generator: %w", err)
	}
	g.encoder, g.decoder = json.NewEncoder(g.input), json.NewDecoder(output)
	return g, nil
}

func (g *generator) run(j job) (o outcome, err error) {
	if err := g.encoder.Encode(j); err != nil {
		return o, fmt.Errorf("giving the load generator a job: %w", err)
	}
	if err := g.decoder.Decode(&o); err != nil {
		return o, fmt.Errorf("waiting for the load generator: %w", err)
	}
	return o, nil
}

func (g *generator) stop(context.Context) error {
	if err := g.input.Close(); err != nil {
		return fmt.Errorf("stopping the load generator: %w", err)
	}
	if err := g.command.Wait(); err != nil && g.command.ProcessState == nil {
		return fmt.Errorf("waiting for the load generator's end: %w", err)
	}
	return nil
}
