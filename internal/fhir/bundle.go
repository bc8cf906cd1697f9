package fhir

import (
	"cmp"
	"errors"
	"io"
	"regexp"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Options bound the resources that one bundle may use: its mapped content
// is in memory until it is written.
type Options struct {
	Bytes   int64 // of the file; 0: 256 MiB
	Entries int   // 0: 250,000
	// Source names the system that the bundle comes from. It is put before
	// relative identities, which identify nothing without it. See CheckSource.
	Source string
}

func (o *Options) setDefaults() {
	o.Bytes = cmp.Or(o.Bytes, 256<<20)
	o.Entries = cmp.Or(o.Entries, 250_000)
}

var errSource = errors.New("use 1 to 100 letters, digits and . _ : / -, the first and the last a letter or digit")

// CheckSource returns the fault in the name of a source.
func CheckSource(source string) error {
	if !regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._:/-]{0,98}[A-Za-z0-9])?$`).MatchString(source) {
		return errSource
	}
	return nil
}

// Bundle is the result of reading a bundle.
type Bundle struct {
	// Import is the content of the bundle, not checked yet.
	Import clinic.Import
	// Resources counts the resources of every type.
	Resources int
	// Skipped are resources of a mapped type that cannot be mapped.
	Skipped []Skipped
	// Omitted are resources that are imported without a part of them.
	Omitted []Skipped
	// Unmapped counts the other resources by type. Observations, medications
	// and the like count here when no mapped resource refers to them.
	Unmapped map[string]int
	// Truncated counts the text fields that were shortened to fit.
	Truncated int

	entries []*entry
}

// Skipped is a resource that cannot be mapped, or not as a whole. Type and Reason quote nothing of
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
// bundle that cannot be read to its end fails as a whole with a *ReadError; a resource that
// cannot be understood is skipped.
func Read(r io.Reader, opts Options) (*Bundle, error) {
	opts.setDefaults()
	lines := &lineReader{r: r, limit: opts.Bytes}
	d := &decoder{
		json: jsontext.NewDecoder(lines), lines: lines, mostEntries: opts.Entries,
		bundle: &Bundle{Unmapped: map[string]int{}},
	}
	if err := d.document(); err != nil {
		return nil, d.fault(err)
	}
	newMapper(d.bundle, opts.Source).mapAll()
	return d.bundle, nil
}

// entry is an entry of the bundle, or a resource inside one.
type entry struct {
	number      int // in the bundle, from 0
	at          Position
	kind        string       // resource type
	id          string       // of the resource, where its kind is read
	fullURL     string       // without a version
	root        string       // the part of fullURL before "Type/id"; "" where that is no URL of a REST API
	host        string       // of fullURL; "" where that is no HTTP URL
	resource    resource     // nil for an unsupported kind, and when it is refused
	refused     bool         // its content must not be used
	used        bool         // a mapped resource refers to it
	identifiers []identifier // of a patient or practitioner, even a refused one
	person      string       // SourceID of a patient or practitioner, "" of a refused one
	inside      index        // see contained
}
