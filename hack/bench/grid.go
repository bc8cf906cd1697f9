package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// writeAligned writes a table for people who read it in a terminal.
func writeAligned(text *strings.Builder, g grid) {
	w := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{g.header}, g.rows...) {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t")) // a strings.Builder takes everything
	}
	_ = w.Flush() // as above
}

// markdown returns a table for a document. Figures are aligned to the right.
func (g grid) markdown() string {
	var text strings.Builder
	line := func(cells []string) { text.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(g.header)
	text.WriteString("|---" + strings.Repeat("|---:", len(g.header)-1) + "|\n")
	for _, row := range g.rows {
		line(row)
	}
	return text.String()
}
