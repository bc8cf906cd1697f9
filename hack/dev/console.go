package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// nameWidth is the length of the longest prefix.
const nameWidth = len("controller")

// console writes the lines of several programs to one output, each prefixed with its program's name.
type console struct {
	mutex sync.Mutex
	out   io.Writer
	color bool
}

func newConsole(out *os.File) *console {
	return &console{out: out, color: term.IsTerminal(int(out.Fd())) && os.Getenv("NO_COLOR") == ""}
}

// say writes a line of the runner itself.
func (c *console) say(format string, args ...any) {
	c.line("dev", []byte(fmt.Sprintf(format, args...)))
}

func (c *console) line(name string, text []byte) {
	prefix := fmt.Sprintf("%-*s |", nameWidth, name)
	if c.color {
		prefix = fmt.Sprintf("\x1b[%dm%s\x1b[0m", color(name), prefix)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	// If the terminal is gone, nobody can read an error.
	_, _ = fmt.Fprintln(c.out, strings.TrimRight(prefix+" "+string(text), " \r"))
}

// text writes lines without a prefix, so that they can be copied.
func (c *console) text(text string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	_, _ = io.WriteString(c.out, text)
}

// color is the terminal's color number for a name.
func color(name string) int {
	switch name {
	case "server":
		return 32 // green
	case "worker":
		return 35 // magenta
	case "controller":
		return 34 // blue
	default:
		return 36 // cyan
	}
}

// writer returns a writer for a program's output. Only one goroutine may use it.
func (c *console) writer(name string) io.Writer { return &lineWriter{console: c, name: name} }

type lineWriter struct {
	console *console
	name    string
	partial []byte
}

func (w *lineWriter) Write(data []byte) (int, error) {
	w.partial = append(w.partial, data...)
	for {
		line, rest, found := bytes.Cut(w.partial, []byte("\n"))
		if !found {
			return len(data), nil
		}
		w.console.line(w.name, line)
		w.partial = rest
	}
}
