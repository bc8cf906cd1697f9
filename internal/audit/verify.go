package audit

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Fault is a fault of one row, or of the chain itself.
type Fault struct {
	Row        int64 // 0: the checkpoint itself
	Checkpoint int64 // the number that it has, or should have
	What       string
}

// String is the fault as text for people.
func (f Fault) String() string {
	if f.Row != 0 {
		return fmt.Sprintf("row %d (checkpoint %d): %s", f.Row, f.Checkpoint, f.What)
	}
	return fmt.Sprintf("checkpoint %d: %s", f.Checkpoint, f.What)
}

// Verifier checks a chain in order: Prepare first, Checkpoint for each, then End.
type Verifier struct {
	// KeyID names a public key; Trusted are the names of those that may sign.
	// Without any, every key may, and Keys returns those that did.
	KeyID   func(ed25519.PublicKey) string
	Trusted []string
	// Drops are all statements of retention, wherever they are in the chain.
	Drops []Checkpoint
	// Kept is a checkpoint from elsewhere that the chain must contain; may be nil.
	Kept *Checkpoint
	// Partial lets the chain begin with a later checkpoint than the first.
	Partial bool
	// Report is called with each fault.
	Report func(Fault)

	Keys    []string // the keys that signed
	Strange []string // the keys that signed, but are not trusted
	Outside bool     // Kept is older than all of a partial chain, and says nothing about it
	Sealed  int64    // checkpoints that were read
	Rows    int64    // rows that are unchanged
	Dropped int64    // rows that retention dropped
	last    *Checkpoint
	at      Statement // of last
	first   int64     // the number of the first checkpoint
	dropped Dropped
	kept    bool
}

// Prepare checks the statements of retention. It comes first.
func (v *Verifier) Prepare() {
	for _, c := range v.Drops {
		s, ok := v.signed(c, 0)
		if !ok || s.Kind != KindDrop || s.Before == nil {
			continue
		}
		if s.Before.After(s.At.AddDate(-RetentionYears, 0, 0)) {
			v.fault(0, s.Number, "retention dropped rows that the policy keeps")
		}
		v.dropped = append(v.dropped, s.Dropped...)
	}
	v.dropped.sorted()
}

// Checkpoint checks the next one, with all rows of its range of ids in their order.
func (v *Verifier) Checkpoint(c Checkpoint, rows []clinic.AuditRow) {
	v.Sealed++
	next := v.at.Number + 1
	s, ok := v.signed(c, next)
	number := cmp.Or(c.Number, s.Number, next)
	first, follows := v.last == nil && v.Partial, number == next
	if v.last == nil {
		v.first = number
	}
	if !first && !follows {
		v.fault(0, next, fmt.Sprintf("it is missing: checkpoint %d follows, and rows after %d are not proven", number, v.at.UpTo))
	}
	linked := first
	if ok {
		if s.Number != number {
			v.fault(0, number, fmt.Sprintf("its statement belongs to checkpoint %d", s.Number))
		} else if !first && follows {
			linked = v.links(s)
		}
		v.kept = v.kept || v.Kept != nil && (v.Kept.Statement == c.Statement || first && v.Kept.hash() == s.Previous)
		v.at = s
	}
	v.last, v.at.Number = &c, number
	if !linked { // the rows before its range belong to a missing checkpoint
		rows = slices.DeleteFunc(slices.Clone(rows), func(r clinic.AuditRow) bool { return r.ID <= s.After })
	}
	if ok && s.Kind == KindSeal {
		v.content(c, s, rows)
	}
}

// End reports what is missing after the last checkpoint, and whether the kept one was found.
func (v *Verifier) End() {
	if v.Kept == nil || v.kept {
		return
	}
	s, ok := v.signed(*v.Kept, 0)
	switch {
	case !ok:
	case v.Partial && v.first > s.Number+1:
		v.Outside = true
	case s.Number > v.at.Number:
		v.fault(0, v.at.Number+1, fmt.Sprintf("the chain is cut off here: up to checkpoint %d, and rows up to %d after %d, are missing",
			s.Number, s.UpTo, v.at.UpTo))
	default:
		v.fault(0, s.Number, "it differs from the kept checkpoint")
	}
}

// UpTo is the last id that is closed.
func (v *Verifier) UpTo() int64 { return v.at.UpTo }

// signed reads a statement and checks its signature. number is used for a statement without one.
func (v *Verifier) signed(c Checkpoint, number int64) (Statement, bool) {
	s, err := c.Parse()
	number = cmp.Or(c.Number, s.Number, number)
	if err != nil {
		v.fault(0, number, "its statement cannot be read")
		return s, false
	}
	key := c.signer(s)
	if key == nil {
		v.fault(0, number, "its signature is wrong")
		return s, false
	}
	id := v.KeyID(key)
	if len(v.Trusted) > 0 && !slices.Contains(v.Trusted, id) {
		if !slices.Contains(v.Strange, id) {
			v.Strange = append(v.Strange, id)
		}
		v.fault(0, number, "it is signed with the key "+id+", which is not trusted")
		return s, false
	}
	if !slices.Contains(v.Keys, id) {
		v.Keys = append(v.Keys, id)
	}
	return s, true
}

// links checks that the statement follows the previous one, or is the first.
func (v *Verifier) links(s Statement) bool {
	previous := ""
	if v.last != nil {
		previous = v.last.hash()
	}
	if s.Previous != previous || s.After != v.at.UpTo {
		v.fault(0, s.Number, "it does not follow the previous one")
		return false
	}
	return true
}

// content compares the rows with their digests.
func (v *Verifier) content(c Checkpoint, s Statement, rows []clinic.AuditRow) {
	if c.RowIDs == nil && s.Rows > 0 {
		if v.dropped.count(s.After, s.UpTo) != s.Rows {
			v.fault(0, s.Number, "its digests are missing, but retention did not drop all of its rows")
			return
		}
		v.Dropped += s.Rows
		v.surplus(s, rows)
		return
	}
	if len(c.Digests) != sha256.Size*len(c.RowIDs) || int64(len(c.RowIDs)) != s.Rows || contentDigest(c) != s.Digest {
		v.fault(0, s.Number, "its digests were changed")
		return
	}
	for i, id := range c.RowIDs {
		for len(rows) > 0 && rows[0].ID < id {
			v.surplus(s, rows[:1])
			rows = rows[1:]
		}
		if len(rows) == 0 || rows[0].ID != id {
			v.missing(s, id)
			continue
		}
		if !sealedAs(rows[0], c.Digests[i*sha256.Size:(i+1)*sha256.Size]) {
			v.fault(id, s.Number, "it was changed")
		} else {
			v.Rows++
		}
		rows = rows[1:]
	}
	v.surplus(s, rows)
}

// sealedAs reports whether the row has the digest.
func sealedAs(row clinic.AuditRow, sealed []byte) bool {
	sum, err := digest(row)
	if err == nil && !bytes.Equal(sum[:], sealed) && row.Records != nil && showsRecords(row) {
		sum, err = digestOfFormer(row)
	}
	return err == nil && bytes.Equal(sum[:], sealed)
}

func (v *Verifier) surplus(s Statement, rows []clinic.AuditRow) {
	for _, r := range rows {
		v.fault(r.ID, s.Number, "it was added")
	}
}

func (v *Verifier) missing(s Statement, id int64) {
	if v.dropped.has(id) {
		v.Dropped++
		return
	}
	v.fault(id, s.Number, "it was removed")
}

func (v *Verifier) fault(row, checkpoint int64, what string) {
	v.Report(Fault{Row: row, Checkpoint: checkpoint, What: what})
}
