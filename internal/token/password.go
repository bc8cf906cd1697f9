package token

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

const (
	saltLength = 16 // bytes; RFC 9106 section 3.1
	hashLength = 32 // bytes

	// The highest costs of a stored hash: no row of the database can use up the
	// server's memory or minutes of its time.
	maxMemory = 1 << 20 // KiB
	maxPasses = 64
)

var errBadHash = errors.New("not an argon2id hash in PHC string format")

// HasherOptions are the costs of a password hash. Zero values mean OWASP's
// recommendation in the Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane.
type HasherOptions struct {
	MemoryKiB   uint32
	Passes      uint32
	Lanes       uint8
	Concurrency int // hashes computed at the same time; 0: one per CPU
}

func (o *HasherOptions) setDefaults() {
	o.MemoryKiB = cmp.Or(o.MemoryKiB, 19*1024)
	o.Passes = cmp.Or(o.Passes, 2)
	o.Lanes = cmp.Or(o.Lanes, 1)
	o.Concurrency = cmp.Or(o.Concurrency, runtime.GOMAXPROCS(0))
}

func (o *HasherOptions) validate() error {
	if o.Concurrency < 0 || o.MemoryKiB < 8*uint32(o.Lanes) {
		return errors.New("password hashing needs a positive concurrency and at least 8 KiB of memory per lane")
	}
	return nil
}

// Hasher hashes and checks passwords with argon2id. It bounds how many are
// computed at the same time, since each needs its memory, and serves clients in
// turn. It is safe for concurrent use.
type Hasher struct {
	costs    costs
	lines    *lines
	slots    chan struct{}
	dummy    string
	computed atomic.Int64
}

// costs are the parameters of argon2id (RFC 9106 section 3.1).
type costs struct {
	memory, passes uint32 // KiB, number
	lanes          uint8
}

// NewHasher sets the defaults and returns the hasher.
func NewHasher(opts HasherOptions) (*Hasher, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	h := &Hasher{
		costs: costs{memory: opts.MemoryKiB, passes: opts.Passes, lanes: opts.Lanes},
		lines: newLines(opts.Concurrency),
		slots: make(chan struct{}, opts.Concurrency),
	}
	h.dummy = h.Unusable()
	return h, nil
}

// Hash returns the password's hash in PHC string format. It waits for its turn;
// when ctx ends first, it fails with CodeUnavailable.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := randomBytes(saltLength)
	key, err := h.derive(ctx, h.costs, password, salt, hashLength)
	if err != nil {
		return "", err
	}
	return encodeHash(h.costs, salt, key), nil
}

// Unusable returns a hash without a known password, for an account that
// nobody can log in to yet. It costs nothing.
func (h *Hasher) Unusable() string {
	return encodeHash(h.costs, randomBytes(saltLength), randomBytes(hashLength))
}

// Verify reports whether password matches hash, and whether a matching one
// should be hashed again because the costs changed. With the hash "", for an unknown
// user, it does the same work and reports false. It waits like Hash.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, rehash bool, err error) {
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	c, salt, want, err := decodeHash(hash)
	if err != nil {
		return false, false, err
	}
	got, err := h.derive(ctx, c, password, salt, uint32(len(want))) //nolint:gosec // decodeHash bounds it
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(got, want) == 1 && known
	return ok, ok && c != h.costs, nil
}

// Computed returns how many hashes were computed: answers must not
// differ in this work.
func (h *Hasher) Computed() int64 { return h.computed.Load() }

func (h *Hasher) derive(ctx context.Context, c costs, password string, salt []byte, length uint32) ([]byte, error) {
	leave, err := h.turn(ctx)
	if err != nil {
		return nil, fmt.Errorf("waiting to hash a password: %w", clinic.Unavailable(err))
	}
	defer leave()
	h.computed.Add(1)
	return argon2.IDKey([]byte(password), salt, c.passes, c.memory, c.lanes, length), nil
}

// turn waits for a slot, behind the client's other hashes.
func (h *Hasher) turn(ctx context.Context) (leave func(), err error) {
	quit, err := h.lines.pass(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots; quit() }, nil
	case <-ctx.Done():
		quit()
		return nil, ctx.Err()
	}
}

// encodeHash writes $argon2id$v=19$m=...,t=...,p=...$salt$hash, the PHC string
// format (github.com/P-H-C/phc-string-format).
func encodeHash(c costs, salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.passes, c.lanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

func decodeHash(hash string) (c costs, salt, key []byte, err error) {
	fail := func() (costs, []byte, []byte, error) {
		return costs{}, nil, nil, fmt.Errorf("reading a password hash: %w", clinic.Internal(errBadHash))
	}
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return fail()
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.passes, &c.lanes); err != nil ||
		c.passes == 0 || c.passes > maxPasses || c.lanes == 0 || c.memory > maxMemory {
		return fail()
	}
	salt, errSalt := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	key, errKey := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if errSalt != nil || errKey != nil || len(key) < 16 || len(key) > 64 {
		return fail()
	}
	return c, salt, key, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand crashes the program instead
	return b
}
