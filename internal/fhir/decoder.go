package fhir

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decoder reads a bundle token by token and its resources one by one.
type decoder struct {
	json   *jsontext.Decoder
	lines  *lineReader
	bundle *Bundle

	mostEntries int

	resourceType, bundleType string
}

// refusal is a fault at the next thing that the decoder would read.
type refusal struct {
	reason string
	path   string // "": where the decoder is
}

func (r refusal) Error() string { return r.reason }

func (d *decoder) fault(err error) error {
	unread := d.json.UnreadBuffer()
	next := len(unread) - len(bytes.TrimLeft(unread, " \t\r\n,:"))
	here := Position{Offset: d.json.InputOffset() + int64(next), Path: safePath(d.json.StackPointer())}
	var own refusal
	if errors.As(err, &own) {
		return &ReadError{Position: d.lines.at(here.Offset, cmp.Or(own.path, here.Path)), Reason: own.reason}
	}
	// the decoder's errors count from the start of the document
	offset, path, reason := place(err, Position{})
	if offset == 0 && path == "" {
		offset, path = here.Offset, here.Path
	}
	return &ReadError{Position: d.lines.at(offset, path), Reason: reason}
}

func (d *decoder) document() error {
	if err := d.object(d.member); err != nil {
		return err
	}
	if d.resourceType != "Bundle" {
		return refusal{reason: "this is not a FHIR Bundle"}
	}
	switch d.bundleType {
	case "transaction", "batch", "collection":
	default:
		return refusal{reason: "this bundle is not a transaction, batch or collection"}
	}
	if d.json.PeekKind() != 0 {
		return refusal{reason: "the file continues after the bundle: put each bundle into a file of its own"}
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading beyond the bundle: %w", err)
	}
	return nil
}

// object reads an object; member reads the value of each member.
func (d *decoder) object(member func(name string) error) error {
	if kind := d.json.PeekKind(); kind != '{' && kind != 0 {
		return refusal{reason: "expected an object"}
	}
	for {
		token, err := d.json.ReadToken()
		if err != nil {
			return fmt.Errorf("reading an object: %w", err)
		}
		switch token.Kind() {
		case '}':
			return nil
		case '{':
			continue
		}
		if err := member(token.String()); err != nil {
			return err
		}
	}
}

func (d *decoder) member(name string) error {
	switch name {
	case "resourceType":
		if err := d.decode(&d.resourceType); err != nil {
			return err
		}
		if d.resourceType != "Bundle" {
			return refusal{reason: "this is not a FHIR Bundle"}
		}
		return nil
	case "type":
		return d.decode(&d.bundleType)
	case "entry":
		return d.entries()
	}
	return d.skip()
}

func (d *decoder) decode(into any) error {
	if err := json.UnmarshalDecode(d.json, into); err != nil {
		return fmt.Errorf("decoding a value: %w", err)
	}
	return nil
}

func (d *decoder) skip() error {
	if err := d.json.SkipValue(); err != nil {
		return fmt.Errorf("skipping a value: %w", err)
	}
	return nil
}

func (d *decoder) entries() error {
	if kind := d.json.PeekKind(); kind != '[' && kind != 0 {
		return refusal{reason: "expected an array"}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return fmt.Errorf("reading the entries: %w", err)
	}
	for d.json.PeekKind() != ']' {
		if len(d.bundle.entries) >= d.mostEntries {
			return refusal{reason: "the bundle has more entries than the limit"}
		}
		d.lines.forget(d.json.InputOffset())
		if err := d.entry(); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	if err != nil {
		return fmt.Errorf("reading the entries: %w", err)
	}
	return nil
}

// entry reads one entry. Its position is that of the resource, or of the
// entry's end when it has none.
func (d *decoder) entry() error {
	e := &entry{number: len(d.bundle.entries)}
	d.bundle.entries = append(d.bundle.entries, e)
	var request struct {
		Method string `json:"method"`
	}
	path := fmt.Sprintf("/entry/%d", e.number)
	if kind := d.json.PeekKind(); kind != '{' && kind != 0 {
		return refusal{reason: "expected an object", path: path}
	}
	reason := "the entry has no resource"
	err := d.object(func(name string) error {
		switch name {
		case "fullUrl":
			return d.decode(&e.fullURL)
		case "request":
			return d.decode(&request)
		case "resource":
			raw, err := d.json.ReadValue()
			if err != nil {
				return fmt.Errorf("reading a resource: %w", err)
			}
			e.at = d.lines.at(d.json.InputOffset()-int64(len(raw)), path+"/resource")
			reason = d.resource(e, raw)
			return nil
		}
		return d.skip()
	})
	if err != nil {
		return err
	}
	if e.at == (Position{}) {
		e.at = d.lines.at(d.json.InputOffset(), path)
	}
	if reason == "" && request.Method != "" && request.Method != "POST" && request.Method != "PUT" {
		reason = "its request is neither POST nor PUT"
	}
	if reason != "" {
		e.resource, e.refused = nil, true
		d.bundle.Skipped = append(d.bundle.Skipped, Skipped{Type: e.kind, At: e.at, Reason: reason})
	}
	return nil
}

// resource decodes the mapped elements. It returns the reason why the resource
// has to be skipped, or "".
func (d *decoder) resource(e *entry, raw jsontext.Value) (reason string) {
	d.bundle.Resources++
	if raw.Kind() != '{' {
		return "expected an object"
	}
	kind, r, err := understand(raw)
	e.kind = kind
	if r != nil {
		e.id = r.core().ID
	}
	switch {
	case err != nil:
		return d.misread(e, err)
	case r == nil:
		d.bundle.Unmapped[kind]++
		return ""
	}
	e.resource, e.identifiers = r, identifiersOf(r)
	return r.core().modified()
}

// understand decodes the mapped elements of a resource: none, and nil,
// for an unsupported type. With an error it returns the id alone, which other
// entries may have, too.
func understand(raw jsontext.Value) (kind string, r resource, err error) {
	var peek struct {
		ResourceType string         `json:"resourceType"`
		ID           jsontext.Value `json:"id"`
	}
	if err := json.Unmarshal(raw, &peek); err != nil {
		return "", nil, fmt.Errorf("decoding a resource's type: %w", err)
	}
	kind = safeType(peek.ResourceType)
	if r = newResource(kind); r == nil {
		return kind, nil, nil
	}
	if err := json.Unmarshal(raw, r); err != nil {
		return kind, &base{ID: strings.Trim(string(peek.ID), `"`)}, fmt.Errorf("decoding a resource: %w", err)
	}
	return kind, r, nil
}

func (d *decoder) misread(e *entry, err error) string {
	offset, path, reason := place(err, e.at)
	e.at = d.lines.at(offset, path)
	return reason
}
