package token

import (
	"context"
	"net/netip"
	"sync"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// lines allow one client as many hashes, computed or next in turn, as there
// are slots. Its others wait in a line of their own: however many it asks for,
// another client waits for only a few of them. Clients are distinguished
// by clinic.Network.
type lines struct {
	places int // at the front of each line
	mutex  sync.Mutex
	lines  map[netip.Prefix]*line // of clients that want a hash now
}

type line struct {
	front   chan struct{}
	waiting int // including those at the front
}

func newLines(places int) *lines { return &lines{places: places, lines: map[netip.Prefix]*line{}} }

// pass returns when the context's client is at the front of its line. leave must be
// called once.
func (l *lines) pass(ctx context.Context) (leave func(), err error) {
	client := clinic.Network(clinic.AddressOf(ctx))
	own := l.join(client)
	select {
	case own.front <- struct{}{}:
		return func() { <-own.front; l.quit(client, own) }, nil
	case <-ctx.Done():
		l.quit(client, own)
		return nil, ctx.Err()
	}
}

func (l *lines) join(client netip.Prefix) *line {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	own, ok := l.lines[client]
	if !ok {
		own = &line{front: make(chan struct{}, l.places)}
		l.lines[client] = own
	}
	own.waiting++
	return own
}

func (l *lines) quit(client netip.Prefix, own *line) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if own.waiting--; own.waiting == 0 {
		delete(l.lines, client)
	}
}
