package service

import (
	"context"
	"sync"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// How many searches run at once: one of long texts takes seconds of the database's time, and a connection to it.
const (
	searchesOfUser = 2
	searchWait     = 10 * time.Second // for a turn: it leaves some of the 15 seconds of a request for the search
)

// searchTurns leave connections to other requests, and to each user a turn of the searches, whoever else searches.
type searchTurns struct {
	all   chan struct{}
	mutex sync.Mutex
	users map[int64]*searchLine
}

type searchLine struct {
	running chan struct{}
	waiting int // including those that run
}

// newSearchTurns returns turns for half of the connections.
func newSearchTurns(connections int32) *searchTurns {
	return &searchTurns{all: make(chan struct{}, max(1, connections/2)), users: map[int64]*searchLine{}}
}

// take waits for a turn of the user. give must be called once.
func (t *searchTurns) take(ctx context.Context, user int64) (give func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, searchWait)
	defer cancel()
	own := t.join(user)
	select {
	case own.running <- struct{}{}:
	case <-ctx.Done():
		t.quit(user, own)
		return nil, clinic.Unavailable(ctx.Err())
	}
	select {
	case t.all <- struct{}{}:
		return func() { <-t.all; <-own.running; t.quit(user, own) }, nil
	case <-ctx.Done():
		<-own.running
		t.quit(user, own)
		return nil, clinic.Unavailable(ctx.Err())
	}
}

func (t *searchTurns) join(user int64) *searchLine {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	own, ok := t.users[user]
	if !ok {
		own = &searchLine{running: make(chan struct{}, searchesOfUser)}
		t.users[user] = own
	}
	own.waiting++
	return own
}

func (t *searchTurns) quit(user int64, own *searchLine) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if own.waiting--; own.waiting == 0 {
		delete(t.users, user)
	}
}
