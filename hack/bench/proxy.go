package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// proxy stands between a server and Postgres, and counts the round trips: the messages after which the server waits for an
// answer.
type proxy struct {
	listener net.Listener
	target   string
	trips    atomic.Int64
	running  sync.WaitGroup
	mutex    sync.Mutex
	open     []net.Conn
}

func startProxy(ctx context.Context, target string) (*proxy, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening the proxy's port: %w", err)
	}
	p := &proxy{listener: listener, target: target}
	p.running.Go(func() { p.accept(ctx) })
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept(ctx context.Context) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // it was stopped
		}
		server, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.target)
		if err != nil {
			_ = client.Close() // the server sees that Postgres cannot be reached
			continue
		}
		p.mutex.Lock()
		p.open = append(p.open, client, server)
		p.mutex.Unlock()
		forward := func(from, to net.Conn, copyAll func(io.Writer, io.Reader) error) {
			_ = copyAll(to, from) // whatever ends one direction ends the other
			_ = errors.Join(from.Close(), to.Close())
		}
		p.running.Go(func() { forward(client, server, p.countTrips) })
		p.running.Go(func() {
			forward(server, client, func(to io.Writer, from io.Reader) error {
				_, err := io.Copy(to, from)
				return err
			})
		})
	}
}

// countTrips forwards what a client of Postgres sends. The first message has no type; each other one begins with it. All have
// their length, which counts itself.
func (p *proxy) countTrips(to io.Writer, from io.Reader) error {
	const lengthBytes, simpleQuery, syncMessage = 4, 'Q', 'S'
	header := make([]byte, 1+lengthBytes)
	for start := header[1:]; ; start = header {
		if _, err := io.ReadFull(from, start); err != nil {
			return err
		}
		if len(start) == len(header) && (header[0] == simpleQuery || header[0] == syncMessage) {
			p.trips.Add(1)
		}
		if _, err := to.Write(start); err != nil {
			return err
		}
		rest := int64(binary.BigEndian.Uint32(header[1:])) - lengthBytes
		if _, err := io.CopyN(to, from, rest); err != nil {
			return err
		}
	}
}

func (p *proxy) stop() error {
	err := p.listener.Close()
	p.mutex.Lock()
	for _, c := range p.open {
		_ = c.Close() // may be closed already
	}
	p.mutex.Unlock()
	p.running.Wait()
	return err
}
