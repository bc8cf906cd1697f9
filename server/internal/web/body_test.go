package web

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// oneConnection is a listener of one connection.
type oneConnection struct{ accepted chan net.Conn }

func (l oneConnection) Accept() (net.Conn, error) {
	if connection, ok := <-l.accepted; ok {
		return connection, nil
	}
	return nil, net.ErrClosed
}

func (l oneConnection) Close() error   { close(l.accepted); return nil }
func (l oneConnection) Addr() net.Addr { return &net.TCPAddr{} }

// TestAnAnswerThatIsReadSlowlySpoilsNoNextRequest has a client that takes longer for
// an answer than a body may that nobody reads: its own was read.
func TestAnAnswerThatIsReadSlowlySpoilsNoNextRequest(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"of a known length": "Content-Length: 5\r\n\r\nhello",
		"in chunks":         "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			client, end := net.Pipe() // which holds nothing back: whoever writes waits for the reader
			listener := oneConnection{make(chan net.Conn, 1)}
			listener.accepted <- end
			begun := make(chan error, 2)
			s := NewHTTPServer("", LimitUnreadBody(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				begun <- r.Context().Err()
				_, err := io.Copy(w, r.Body)
				testkit.Must(t, err)
			})), slog.New(slog.DiscardHandler))
			go func() { _ = s.Serve(listener) }()

			answers := bufio.NewReader(client)
			for range 2 {
				_, err := io.WriteString(client, "POST / HTTP/1.1\r\nHost: localhost\r\n"+body)
				testkit.Must(t, err)
				if err := <-begun; err != nil {
					t.Errorf("a request with a body %s begins with: %v", name, err)
				}
				<-time.After(2 * unreadTimeout) // by the bubble's clock
				answer, err := http.ReadResponse(answers, nil)
				testkit.Must(t, err)
				_, err = io.Copy(io.Discard, answer.Body)
				testkit.Must(t, errors.Join(err, answer.Body.Close()))
			}
			testkit.Must(t, client.Close())
			testkit.Must(t, s.Close())
		})
	}
}
