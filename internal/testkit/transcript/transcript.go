// Package transcript runs the commands of a page of docs, and compares their output with what the page shows. Only tests
// import it.
//
// A block of code that is marked as console is a transcript: a line that begins with "$ " is a command, lines that begin
// with "> " continue it, and the lines up to the next command are its output. All commands of a page run in one shell, so
// they share variables and functions. A block that is marked as sh has commands without output, which run as well.
package transcript

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Step is one command and the output that the page shows for it.
type Step struct {
	Line    int // of the page, from 1
	Command string
	Output  string // without spaces at the ends of lines
	Silent  bool   // the page shows no output, because the block has commands only
}

// Read returns the steps of the page at path.
func Read(path string) ([]Step, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the page: %w", err)
	}
	return Parse(string(content)), nil
}

// Parse returns the steps of a page in Markdown.
func Parse(page string) (steps []Step) {
	block := "" // the language of the block that the line is in
	for i, line := range strings.Split(page, "\n") {
		if mark, ok := strings.CutPrefix(line, "```"); ok {
			block = mark
			if block == "sh" {
				steps = append(steps, Step{Line: i + 2, Silent: true})
			}
			continue
		}
		switch block {
		case "sh":
			steps[len(steps)-1].Command += line + "\n"
		case "console":
			steps = appendConsole(steps, i+1, line)
		}
	}
	return steps
}

func appendConsole(steps []Step, number int, line string) []Step {
	if command, ok := strings.CutPrefix(line, "$ "); ok {
		return append(steps, Step{Line: number, Command: command + "\n"})
	}
	if len(steps) == 0 {
		return steps
	}
	last := &steps[len(steps)-1]
	if more, ok := strings.CutPrefix(line, "> "); ok && last.Output == "" {
		last.Command += more + "\n"
		return steps
	}
	last.Output += line + "\n"
	return steps
}

var (
	uids   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	times  = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	ages   = regexp.MustCompile(`\b(\d+[dhms]){1,2}\b`)
	widths = regexp.MustCompile(`[ \t]+`)
)

// Normalize replaces what differs from run to run: UIDs, times, ages, and the widths of columns.
func Normalize(output string) string {
	output = uids.ReplaceAllString(output, "UID")
	output = times.ReplaceAllString(output, "TIME")
	output = ages.ReplaceAllString(output, "AGE")
	var lines []string
	for line := range strings.Lines(output) {
		lines = append(lines, strings.TrimSpace(widths.ReplaceAllString(line, " ")))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
