package main

import (
	"io"
	"net"
	"testing"
)

// TestProxyCountsWhatWaitsForAnAnswer sends what a driver sends: one round trip can have several statements.
func TestProxyCountsWhatWaitsForAnAnswer(t *testing.T) {
	t.Parallel()
	postgres, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan []byte)
	go func() {
		connection, err := postgres.Accept()
		if err != nil {
			close(arrived)
			return
		}
		content, _ := io.ReadAll(connection)
		arrived <- content
	}()
	p, err := startProxy(t.Context(), postgres.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	sent := "\x00\x00\x00\x09Sync!" + // the first message has no type, whatever it contains
		"P\x00\x00\x00\x06QS" + "B\x00\x00\x00\x04" + "E\x00\x00\x00\x05Q" + "S\x00\x00\x00\x04" + // two statements and one Sync
		"Q\x00\x00\x00\x08SSS\x00" + // a simple query
		"X\x00\x00\x00\x04"
	if _, err := io.WriteString(client, sent); err != nil {
		t.Fatal(err)
	}
	ending, ok := client.(interface{ CloseWrite() error })
	if !ok {
		t.Fatal("the connection cannot end its output")
	}
	if err := ending.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := string(<-arrived); got != sent {
		t.Errorf("Postgres received %q, want %q", got, sent)
	}
	if got := p.trips.Load(); got != 2 {
		t.Errorf("%d round trips, want 2", got)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}
