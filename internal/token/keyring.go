package token

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// KeyDelay is how long a new key is only accepted before it signs. It is longer
// than the time until every replica has read it, which for a mounted Secret is
// the kubelet's period and cache of about two minutes, and until caches of the
// published keys are renewed.
const KeyDelay = 10 * time.Minute

// keyPoll is how often the directory is read again.
const keyPoll = 10 * time.Second

// KeysOptions describe where the keys are. Dir is required; the others are for tests.
type KeysOptions struct {
	Dir   string
	Delay time.Duration // 0: KeyDelay
	Poll  time.Duration // 0: every 10 s
	Log   *slog.Logger  // nil: slog.Default()
}

func (o *KeysOptions) setDefaults() {
	o.Delay = cmp.Or(o.Delay, KeyDelay)
	o.Poll = cmp.Or(o.Poll, keyPoll)
	o.Log = cmp.Or(o.Log, slog.Default())
}

func (o *KeysOptions) validate() error {
	if o.Dir == "" {
		return errors.New("signing keys need a directory")
	}
	return nil
}

// Keys are the Ed25519 keys of access tokens, as they are in a directory now:
// every *.pem file, each a PKCS #8 private key, which only this
// program should be able to read (mode 0600). All verify; the newest one that is at least
// KeyDelay old by its name signs. Keys are safe for concurrent use.
type Keys struct {
	opts KeysOptions
	set  atomic.Pointer[[]signingKey] // from the oldest to the newest, never empty
}

type signingKey struct {
	id      string
	private ed25519.PrivateKey
	public  ed25519.PublicKey
	from    time.Time // signs from then on
}

// LoadKeys reads the keys in dir. It fails with ErrNoKeys when dir has none.
func LoadKeys(dir string) (*Keys, error) { return OpenKeys(KeysOptions{Dir: dir}) }

// OpenKeys is LoadKeys with options.
func OpenKeys(opts KeysOptions) (*Keys, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	k := &Keys{opts: opts}
	set, err := k.read()
	if err != nil {
		return nil, err
	}
	k.set.Store(&set)
	return k, nil
}

func (k *Keys) read() ([]signingKey, error) {
	names, err := keyFiles(k.opts.Dir)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("reading the keys in %s: %w", k.opts.Dir, ErrNoKeys)
	}
	var set []signingKey
	for _, name := range names {
		private, err := readKey(filepath.Join(k.opts.Dir, name))
		if err != nil {
			return nil, fmt.Errorf("reading the key %s: %w", name, err)
		}
		public := ed25519.PublicKey(private[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
		set = append(set, signingKey{id: KeyID(public), private: private, public: public, from: madeAt(name).Add(k.opts.Delay)})
	}
	return set, nil
}

// Watch reads the directory again and again until ctx ends. It logs what it cannot read
// and keeps the earlier keys. It polls, because a mounted Secret changes by
// swapping a link, and some file systems send no notifications.
func (k *Keys) Watch(ctx context.Context) error {
	ticker := time.NewTicker(k.opts.Poll)
	defer ticker.Stop()
	var failed string // each failure is logged once, until another one happens
	signer := k.signing(time.Now()).id
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		set, err := k.read()
		switch {
		case err != nil && err.Error() != failed:
			failed = err.Error()
			k.opts.Log.ErrorContext(ctx, "cannot read the signing keys; the earlier ones stay in use", "error", err)
		case err == nil && !slices.EqualFunc(set, *k.set.Load(), sameKey):
			k.set.Store(&set)
			k.opts.Log.InfoContext(ctx, "the signing keys changed", "keys", len(set))
		}
		if err == nil {
			failed = ""
		}
		if id := k.signing(time.Now()).id; id != signer { // a new key signs later than it is read
			signer = id
			k.opts.Log.InfoContext(ctx, "another key signs from now on", "key_id", id)
		}
	}
}

func sameKey(a, b signingKey) bool { return a.id == b.id && a.from.Equal(b.from) }

// signing is the newest key that signs at the time, or the oldest one where none does yet.
func (k *Keys) signing(now time.Time) signingKey {
	set := *k.set.Load()
	for _, key := range slices.Backward(set) {
		if !now.Before(key.from) {
			return key
		}
	}
	return set[0]
}

// public is the verifying key with the id, or nil.
func (k *Keys) public(id string) ed25519.PublicKey {
	for _, key := range *k.set.Load() {
		if key.id == id {
			return key.public
		}
	}
	return nil
}

// Public returns the verifying keys by their ids.
func (k *Keys) Public() map[string]ed25519.PublicKey {
	public := map[string]ed25519.PublicKey{}
	for _, key := range *k.set.Load() {
		public[key.id] = key.public
	}
	return public
}
