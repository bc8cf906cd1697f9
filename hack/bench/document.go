package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed performance.md.tmpl
var document string

// write writes the whole of docs/performance.md.
func (r *report) write(root string) error {
	page, err := template.New("performance").Parse(document)
	if err != nil {
		return fmt.Errorf("reading the document's template: %w", err)
	}
	grids := map[string]string{}
	for _, g := range r.grids() {
		grids[g.name] = g.markdown()
	}
	var text strings.Builder
	err = page.Execute(&text, map[string]any{
		"Lines": r.machine.lines(), "Grids": grids, "Few": fewConnections, "Many": manyConnections, "Crowd": crowdConnections,
		"SmallPatients": grouped(r.stage.options.smallPatients), "Patients": grouped(r.stage.options.patients),
		"FewRecords": grouped(fewRecords), "ManyRecords": grouped(r.stage.options.manyRecords), "Panel": unevenPanel,
	})
	if err != nil {
		return fmt.Errorf("filling in the document: %w", err)
	}
	path := filepath.Join(root, "docs", "performance.md")
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil { //nolint:gosec // G306: a document for everybody
		return fmt.Errorf("writing the document: %w", err)
	}
	r.stage.say("wrote %s", path)
	return nil
}
