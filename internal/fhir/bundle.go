package fhir

import (
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Limits bound what one bundle may ask of the machine. What is mapped of a
// bundle is in memory until it is written.
type Limits struct {
	Bytes   int64 // of the file
	Entries int
}

// DefaultLimits returns 256 MiB and 250,000 entries.
func DefaultLimits() Limits { return Limits{Bytes: 256 << 20, Entries: 250_000} }

// Bundle is what was read.
type Bundle struct {
	// Import is what the bundle holds, not checked yet.
	Import clinic.Import
	// Resources counts the resources of every type.
	Resources int
	// Skipped are resources of a type that is mapped, which cannot be.
	Skipped []Skipped
	// Unmapped counts the other resources by type. Observations, medications
	// and the like count here when nothing that is mapped refers to them.
	Unmapped map[string]int
	// Truncated counts the text fields that were shortened to fit.
	Truncated int

	entries []*entry
}

// Skipped is a resource that cannot be mapped. Type and Reason quote nothing of
// it.
type Skipped struct {
	Type   string
	At     Position
	Reason string
}

// Refused translates a refusal of an entry of Import.
func (b *Bundle) Refused(r clinic.ImportRefusal) Skipped {
	if r.Entry < 0 || r.Entry >= len(b.entries) {
		return Skipped{Reason: r.Reason}
	}
	return Skipped{Type: b.entries[r.Entry].kind, At: b.entries[r.Entry].at, Reason: r.Reason}
}

// Read reads one bundle of type transaction, batch or collection and maps it. A
// bundle that cannot be read to its end is a *ReadError as a whole; a resource that
// cannot be understood is skipped.
func Read(r io.Reader, limits Limits) (*Bundle, error) {
	lines := &lineReader{r: r, limit: limits.Bytes}
	d := &decoder{
		json: jsontext.NewDecoder(lines), lines: lines, limits: limits,
		bundle: &Bundle{Unmapped: map[string]int{}},
	}
	if err := d.document(); err != nil {
		return nil, d.fault(err)
	}
	newMapper(d.bundle).mapAll()
	return d.bundle, nil
}

// entry is an entry of the bundle whose resource is understood.
type entry struct {
	number   int // in the bundle, from 0
	at       Position
	kind     string // resource type
	fullURL  string
	resource resource // nil for a kind that is not read
	used     bool     // something that is mapped refers to it
}
