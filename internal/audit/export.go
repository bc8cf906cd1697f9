package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const format = "healthrecords-audit/1"

// line is one line of an export: the header first, then each checkpoint before
// the rows of its range.
type line struct {
	Format     string       `json:"format,omitempty"`
	Drops      []Checkpoint `json:"drops,omitempty"`
	Checkpoint *Checkpoint  `json:"checkpoint,omitempty"`
	Row        *row         `json:"row,omitempty"`
}

// Exporter writes JSON lines.
type Exporter struct{ encoder *json.Encoder }

// NewExporter writes the header, with all statements of retention.
func NewExporter(w io.Writer, drops []Checkpoint) (Exporter, error) {
	e := Exporter{json.NewEncoder(w)}
	if err := e.encoder.Encode(line{Format: format, Drops: drops}); err != nil {
		return e, fmt.Errorf("writing an export: %w", err)
	}
	return e, nil
}

// Checkpoint writes one with its rows.
func (e Exporter) Checkpoint(c Checkpoint, rows []clinic.AuditRow) error {
	err := e.encoder.Encode(line{Checkpoint: &c})
	for _, r := range rows {
		encoded := rowOf(r)
		err = errors.Join(err, e.encoder.Encode(line{Row: &encoded}))
	}
	if err != nil {
		return fmt.Errorf("writing an export: %w", err)
	}
	return nil
}

const maxLine = 64 << 20 // a checkpoint of the largest batch needs a hundredth of that

// VerifyExport runs the verifier over an export. progress is called after each
// checkpoint.
func VerifyExport(r io.Reader, v *Verifier, progress func()) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var current *Checkpoint
	var rows []clinic.AuditRow
	finish := func() {
		if current != nil {
			v.Checkpoint(*current, rows)
			progress()
		}
		current, rows = nil, nil
	}
	number := 1
	for ; lines.Scan(); number++ {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("line %d of the export is not JSON: %w", number, err)
		}
		switch {
		case number == 1 && l.Format == format:
			v.asWritten(lines.Bytes(), line{Format: format, Drops: l.Drops}, 0, 0)
			v.Drops = l.Drops
			v.Prepare()
		case number > 1 && l.Checkpoint != nil:
			finish()
			v.asWritten(lines.Bytes(), line{Checkpoint: l.Checkpoint}, 0, l.Checkpoint.Number)
			current = l.Checkpoint
		case number > 1 && l.Row != nil && current != nil:
			r := rowOf(l.Row.domain())
			v.asWritten(lines.Bytes(), line{Row: &r}, r.ID, current.Number)
			rows = append(rows, l.Row.domain())
		default:
			return fmt.Errorf("line %d is not a line of an export in the format %s", number, format)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading an export: %w", err)
	}
	if number == 1 {
		return errors.New("the export is empty: even its first line is missing")
	}
	finish()
	v.End()
	return nil
}

// asWritten reports a line that the exporter would not have written for its verified content:
// where a name occurs twice, in other letters or without a meaning here, other programs read
// something else than the verified content.
func (v *Verifier) asWritten(text []byte, read line, row, checkpoint int64) {
	if written, err := json.Marshal(read); err != nil || !bytes.Equal(written, text) {
		v.fault(row, checkpoint, "its line in the export is not as it was written")
	}
}
