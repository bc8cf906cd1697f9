package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const version = 1

// RetentionYears is the minimum time that rows are kept (45 CFR 164.316(b)(2)).
const RetentionYears = 6

// The kinds of statements.
const (
	KindSeal = "seal" // closes a range of ids
	KindDrop = "drop" // names the rows that retention dropped
)

// Statement is the signed part: its JSON, exactly as it is stored.
type Statement struct {
	Version  int        `json:"version"`
	Number   int64      `json:"number"` // 1, 2, 3 ...
	Kind     string     `json:"kind"`
	At       time.Time  `json:"at"`
	After    int64      `json:"after"` // the ids above this one ...
	UpTo     int64      `json:"up_to"` // ... up to this one are closed: a row that has no digest was never there
	Rows     int64      `json:"rows"`
	Digest   string     `json:"digest"` // of the ids and digests of the rows
	Before   *time.Time `json:"before,omitempty"`
	Dropped  [][2]int64 `json:"dropped,omitempty"` // first and last id of each run of dropped rows
	Previous string     `json:"previous"`          // hash of the statement before; "" for the first
	Key      string     `json:"key"`               // the public key, base64url
}

// Checkpoint is a statement with its signature and the digests behind it.
type Checkpoint clinic.AuditCheckpoint

// Parse reads the statement. It does not verify it.
func (c Checkpoint) Parse() (Statement, error) {
	var s Statement
	if err := json.Unmarshal([]byte(c.Statement), &s); err != nil {
		return s, fmt.Errorf("reading a checkpoint's statement: %w", err)
	}
	if s.Version != version {
		return s, fmt.Errorf("reading a checkpoint's statement: this program does not know version %d", s.Version)
	}
	return s, nil
}

// Signed reports whether the key that the statement names signed it.
func (c Checkpoint) Signed() bool {
	s, err := c.Parse()
	return err == nil && c.signer(s) != nil
}

// signer returns the key that the statement names, nil unless it signed it.
func (c Checkpoint) signer(s Statement) ed25519.PublicKey {
	key, err := base64.RawURLEncoding.DecodeString(s.Key)
	if err != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, []byte(c.Statement), c.Signature) {
		return nil
	}
	return key
}

// hash is the hash that the next statement names.
func (c Checkpoint) hash() string {
	sum := sha256.Sum256([]byte(c.Statement))
	return hex.EncodeToString(sum[:])
}

// Chain makes the checkpoint that follows Last, which is nil for the first.
type Chain struct {
	Last *Checkpoint
	Key  ed25519.PrivateKey
	Now  time.Time
}

// Seal closes the ids up to upTo, of which rows are all remaining rows.
func (c Chain) Seal(rows []clinic.AuditRow, upTo int64) (Checkpoint, error) {
	var sealed Checkpoint
	for _, r := range rows {
		sum, err := digest(r)
		if err != nil {
			return Checkpoint{}, err
		}
		sealed.RowIDs = append(sealed.RowIDs, r.ID)
		sealed.Digests = append(sealed.Digests, sum[:]...)
	}
	return c.sign(sealed, Statement{Kind: KindSeal, UpTo: upTo, Rows: int64(len(rows)), Digest: contentDigest(sealed)})
}

// Drop states that retention dropped the rows before the instant.
func (c Chain) Drop(dropped [][2]int64, before time.Time) (Checkpoint, error) {
	before = before.UTC()
	var rows int64
	for _, run := range dropped {
		rows += run[1] - run[0] + 1
	}
	return c.sign(Checkpoint{}, Statement{Kind: KindDrop, Rows: rows, Digest: contentDigest(Checkpoint{}), Before: &before, Dropped: dropped})
}

func (c Chain) sign(checkpoint Checkpoint, s Statement) (Checkpoint, error) {
	s.Version, s.Number, s.At = version, 1, c.Now.UTC()
	if c.Last != nil {
		last, err := c.Last.Parse()
		if err != nil {
			return Checkpoint{}, err
		}
		s.Number, s.After, s.Previous = last.Number+1, last.UpTo, c.Last.hash()
	}
	s.UpTo = max(s.UpTo, s.After)
	public, ok := c.Key.Public().(ed25519.PublicKey)
	if !ok {
		return Checkpoint{}, errors.New("signing a checkpoint: the key is not an Ed25519 key")
	}
	s.Key = base64.RawURLEncoding.EncodeToString(public)
	encoded, err := json.Marshal(s)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("encoding a checkpoint's statement: %w", err)
	}
	checkpoint.Number, checkpoint.Statement, checkpoint.Signature = s.Number, string(encoded), ed25519.Sign(c.Key, encoded)
	return checkpoint, nil
}

// contentDigest is the SHA-256 of each row's id, as eight bytes in network
// order, and its digest.
func contentDigest(c Checkpoint) string {
	hash := sha256.New()
	for i, id := range c.RowIDs {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(id))) //nolint:gosec // the bits are what counts
		hash.Write(c.Digests[i*sha256.Size : (i+1)*sha256.Size])
	}
	return hex.EncodeToString(hash.Sum(nil))
}
