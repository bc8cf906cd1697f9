package web

import (
	"net/netip"
	"sync"
)

// Whose limit it was that refused a client, in metrics.
const (
	limitOfAll     = "all"
	limitOfAddress = "address"
)

// shares count what each client has of something there is little of, so that
// none can have all of it. Clients are told apart by clinic.Network.
type shares struct {
	most  int // for one client
	mutex sync.Mutex
	taken map[netip.Prefix]int // clients that have none are not in it
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

// release returns what acquire allowed.
func (s *shares) release(client netip.Prefix) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.taken[client]--; s.taken[client] == 0 {
		delete(s.taken, client)
	}
}
