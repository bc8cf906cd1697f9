package web

import (
	"net/netip"
	"sync"
)

// The limits that can refuse a client, as metrics name them.
const (
	limitOfAll     = "all"
	limitOfAddress = "address"
)

// shares limit how much of a resource each client can have, so that none can have
// all of it. A client is a network, as clinic.Network returns it.
type shares struct {
	most  int // for one client
	mutex sync.Mutex
	taken map[netip.Prefix]int // only clients that have some
}

func newShares(most int) *shares { return &shares{most: most, taken: map[netip.Prefix]int{}} }

// acquire reports whether the client may have one more.
func (s *shares) acquire(client netip.Prefix) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.taken[client] >= s.most {
		return false
	}
	s.taken[client]++
	return true
}

// release returns what acquire has taken.
func (s *shares) release(client netip.Prefix) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.taken[client]--; s.taken[client] == 0 {
		delete(s.taken, client)
	}
}
