package process

import (
	"bytes"
	"sync"
)

// tailBytes bounds the part of a child's output that is kept.
const tailBytes = 4096

// tail is a writer that keeps the end of its input.
type tail struct {
	mutex sync.Mutex
	kept  []byte
	cut   bool
}

func (t *tail) Write(data []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.kept = append(t.kept, data...)
	if excess := len(t.kept) - tailBytes; excess > 0 {
		t.kept = append(t.kept[:0], t.kept[excess:]...)
		t.cut = true
	}
	return len(data), nil
}

// String returns whole lines, unless one line alone is longer than the kept part.
func (t *tail) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	text := bytes.TrimRight(t.kept, "\n")
	if _, rest, found := bytes.Cut(text, []byte("\n")); t.cut && found {
		text = rest
	}
	return string(text)
}
