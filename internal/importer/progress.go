package importer

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"
)

// progress shows how far an import is: on a terminal by a line that changes,
// elsewhere by a new line now and then.
type progress struct {
	out         io.Writer
	terminal    bool
	every       time.Duration // minimum time between two lines
	shown       time.Time
	total, done int
	records     int
	file        string
}

func newProgress(out io.Writer, total int) *progress {
	p := &progress{out: out, total: total, every: 2 * time.Second, shown: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) { // #nosec G115 -- a descriptor is small
		p.terminal, p.every = true, 100*time.Millisecond
		p.shown = time.Time{}
	}
	return p
}

// begin shows the file that is being imported.
func (p *progress) begin(name string) {
	p.file = printable(name)
	if name != "-" {
		p.file = printable(filepath.Base(name))
	}
	p.show(false)
}

// end shows that a file is done, and how many records the import has so far.
func (p *progress) end(records int) {
	p.done++
	p.records = records
	p.show(p.done == p.total)
}

func (p *progress) show(now bool) {
	if !now && time.Since(p.shown) < p.every {
		return
	}
	p.shown = time.Now()
	line := fmt.Sprintf("%d of %d files, %d records", p.done, p.total, p.records)
	if p.done < p.total {
		line += ": " + p.file
	}
	if p.terminal {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K"+line)
		return
	}
	_, _ = fmt.Fprintln(p.out, line)
}

// finish leaves the terminal on a new line.
func (p *progress) finish() {
	if p.terminal {
		_, _ = fmt.Fprintln(p.out)
	}
}
