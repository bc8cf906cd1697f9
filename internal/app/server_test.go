package app

import (
	"errors"
	"net"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestTheAPIsPortHasItsLimitOfConnections(t *testing.T) {
	t.Parallel()
	listener, err := listen(t.Context(), settings.Server{ListenAddress: "127.0.0.1:0", Connections: 1, PerAddress: 1}, prometheus.NewRegistry())
	testkit.Must(t, err)
	defer func() { _ = listener.Close() }()
	accepted := make(chan net.Conn, 2)
	go func() {
		defer close(accepted)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- connection
		}
	}()
	first, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	testkit.Must(t, err)
	defer func() { _ = first.Close() }()
	held := <-accepted
	second, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err == nil { // the dial may succeed before the server closes the connection
		_, err = second.Read(make([]byte, 1))
		_ = second.Close()
	}
	if err == nil {
		t.Error("the second connection is served")
	}
	testkit.Must(t, errors.Join(held.Close(), listener.Close()))
	if _, more := <-accepted; more {
		t.Error("the second connection was accepted")
	}
}
