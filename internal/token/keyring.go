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
// than it takes until every replica has read it, which for a mounted Secret is
// the kubelet's period and cache of about two minutes, and until who caches the
// published keys asks again.
const KeyDelay = 10 * time.Minute

// keyPoll is how often the directory is read again.
const keyPoll = 10 * time.Second

// KeysOptions say where the keys are. Dir is required; the others are for tests.
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
// every *.pem file, each a PKCS #8 private key, should be readable by this
// program alone (mode 0600). All verify; the newest signs, once it is KeyDelay
// old by its name. Keys are safe for concurrent use.
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

// LoadKeys reads the keys in dir. It is ErrNoKeys when there is none.
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

// Watch reads the directory again and again until ctx ends. What cannot be read
// is logged, and the keys before it stay. It polls: a mounted Secret changes by
// a link that is swapped, and some file systems tell nobody.
func (k *Keys) Watch(ctx context.Context) error {
	ticker := time.NewTicker(k.opts.Poll)
	defer ticker.Stop()
	var failed string // told once, until it is another failure
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
			k.opts.Log.ErrorContext(ctx, "the signing keys cannot be read; those before stay in use", "error", err)
		case err == nil && !slices.EqualFunc(set, *k.set.Load(), sameKey):
			k.set.Store(&set)
			k.opts.Log.InfoContext(ctx, "the signing keys changed", "keys", len(set))
		}
		if err == nil {
			failed = ""
		}
	}
}

func sameKey(a, b signingKey) bool { return a.id == b.id && a.from.Equal(b.from) }

// signing is the newest key that signs at the time, the oldest where none does yet.
func (k *Keys) signing(now time.Time) signingKey {
	set := *k.set.Load()
	for _, key := range slices.Backward(set) {
		if !now.Before(key.from) {
			return key
		}
	}
	return set[0]
}

// public is the verifying key with the id, nil where there is none.
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
