package token

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// keySlack allows for clocks that differ and for a replica that reads late.
const keySlack = time.Minute

// ErrRotating means that a rotation is in progress.
var ErrRotating = errors.New("the newest key does not sign yet: wait until it is ten minutes old")

// Rotation describes how to change a set of keys to continue with a new one.
type Rotation struct {
	Name      string // of the new key's file
	ID        string // of the new key
	Content   []byte
	First     bool // there was no key before: the new one signs at once
	SignsFrom time.Time
	Remove    []string // names of the keys that no valid token needs any more
}

// PlanRotation returns what to add to and remove from files with the names: those
// of a directory, or of a Secret's data. It invalidates no token in use: the
// new key is only accepted at first, and a key stays as long as the tokens that
// it signed are valid. It fails with ErrRotating while the newest key does not sign yet.
func PlanRotation(names []string, now time.Time) (Rotation, error) {
	keys := keyNames(names)
	if len(keys) > 0 && now.Before(madeAt(keys[len(keys)-1]).Add(KeyDelay)) {
		return Rotation{}, ErrRotating
	}
	r := Rotation{SignsFrom: now.Add(KeyDelay)}
	if len(keys) == 0 {
		r.First, r.SignsFrom = true, now
	}
	for i, name := range keys {
		if i+1 == len(keys) {
			break // it signs until the new one does
		}
		replaced := madeAt(keys[i+1]).Add(KeyDelay)
		if now.After(replaced.Add(AccessLifetime + keySlack)) {
			r.Remove = append(r.Remove, name)
		}
	}
	var err error
	r.Name, r.ID, r.Content, err = newKey(now)
	return r, err
}

// RotateKeys carries out the rotation in dir.
func RotateKeys(dir string, now time.Time) (Rotation, error) {
	names, err := keyFiles(dir)
	if err != nil {
		return Rotation{}, err
	}
	r, err := PlanRotation(names, now)
	if err != nil {
		return Rotation{}, err
	}
	if err := writeNew(filepath.Join(dir, r.Name), r.Content); err != nil {
		return Rotation{}, fmt.Errorf("writing a key: %w", err)
	}
	var faults []error
	for _, name := range r.Remove {
		faults = append(faults, os.Remove(filepath.Join(dir, name)))
	}
	return r, errors.Join(faults...)
}
