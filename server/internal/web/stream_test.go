package web

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// upload is the request of an operation that reads its body itself.
type upload struct{ body io.Reader }

// Resolve implements huma.Resolver.
func (u *upload) Resolve(ctx huma.Context) []error {
	u.body = ctx.BodyReader()
	return nil
}

type uploaded struct {
	Body struct {
		Bytes int64 `json:"bytes"`
	}
}

func count(_ context.Context, request *upload) (*uploaded, error) {
	answer := &uploaded{}
	n, err := io.Copy(io.Discard, request.body)
	answer.Body.Bytes = n
	return answer, err
}

type handler[I any] func(context.Context, *I) (*uploaded, error)

// serveStreams serves an operation with a streamed body. All other time limits are very
// short.
func serveStreams(t *testing.T, p pace, handle handler[upload]) (address string) {
	t.Helper()
	hasty := func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = briefly, briefly }
	return serveOperation(t, p, hasty, Terms{Public: true, Body: Streamed, Pool: Streams, Deadline: Unlimited}, handle)
}

func serveOperation[I any](t *testing.T, p pace, change func(*http.Server), terms Terms, handle handler[I]) (address string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	observer, err := NewObserver(ObserverOptions{Log: log})
	testkit.Must(t, err)
	pools, err := newPools(4, nil)
	testkit.Must(t, err)
	client, err := ClientAddress(nil, log)
	testkit.Must(t, err)
	router := chi.NewRouter()
	router.Use(observer.Observe, observer.Recover, client, LimitUnreadBody, CanonicalPath)
	guard := &Guard{pools: pools, pace: p}
	operation := huma.Operation{
		OperationID: "upload", Method: http.MethodPut, Path: "/api/upload/", MaxBodyBytes: MaxBody + 1, BodyReadTimeout: -1,
		Middlewares: guard.Steps(terms),
	}
	if terms.Body == Streamed { // the request's type has no Body field
		operation.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{bytesType: {}}}
	}
	config := huma.DefaultConfig("Uploads", "test")
	config.Transformers = []huma.Transformer{Explain(huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer))}
	huma.Register(humachi.New(router, config), operation, func(ctx context.Context, request *I) (*uploaded, error) {
		answer, err := handle(ctx, request)
		if err != nil {
			return nil, Fail(ctx, log, err)
		}
		return answer, nil
	})
	s := httptest.NewUnstartedServer(nil)
	s.Config = NewHTTPServer("", router, log)
	change(s.Config)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

const (
	briefly   = 100 * time.Millisecond
	bytesType = "application/octet-stream"
)

// put begins an upload with a number of bytes.
func put(t *testing.T, address, contentType string, length int) net.Conn {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	testkit.Must(t, connection.SetDeadline(time.Now().Add(time.Minute)))
	_, err = fmt.Fprintf(connection, "PUT /api/upload/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n",
		contentType, length)
	testkit.Must(t, err)
	return connection
}

func answerOn(t *testing.T, connection net.Conn) (status int, body string) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	testkit.Must(t, err)
	return response.StatusCode, string(content)
}

// TestASteadyUploadTakesAnyTime sends for much longer than the limits for a complete
// body, an answer, or an idle client.
func TestASteadyUploadTakesAnyTime(t *testing.T) {
	t.Parallel()
	const piece, pieces = 1000, 40
	grace := 10 * briefly
	connection := put(t, serveStreams(t, pace{rate: piece, grace: grace}, count), bytesType, piece*pieces)
	for range pieces {
		<-time.After(grace / 20) // 20,000 bytes per second
		_, err := connection.Write(bytes.Repeat([]byte("a"), piece))
		testkit.Must(t, err)
	}
	if status, body := answerOn(t, connection); status != http.StatusOK || !strings.Contains(body, fmt.Sprint(piece*pieces)) {
		t.Errorf("answered %d %s", status, body)
	}
}

func TestATrickleOfAnUploadIsCutOff(t *testing.T) {
	t.Parallel()
	connection := put(t, serveStreams(t, pace{rate: 1 << 20, grace: briefly}, count), bytesType, 1<<20)
	answered := make(chan struct{})
	go func() {
		for {
			select {
			case <-answered:
				return
			case <-time.After(briefly / 20): // 200 bytes per second
				_, _ = io.WriteString(connection, "a")
			}
		}
	}()
	status, body := answerOn(t, connection)
	close(answered)
	if status != http.StatusRequestTimeout || !strings.Contains(body, codeTimeout) {
		t.Errorf("answered %d %s, want 408", status, body)
	}
}

// TestBytesSentAheadBuyNoSilence: a fast client does not earn unlimited idle time.
func TestBytesSentAheadBuyNoSilence(t *testing.T) {
	t.Parallel()
	connection := put(t, serveStreams(t, pace{rate: 1, grace: briefly}, count), bytesType, 1<<20) // at this rate, half of the body gives credit for days
	_, err := connection.Write(make([]byte, 1<<19))
	testkit.Must(t, err)
	if status, body := answerOn(t, connection); status != http.StatusRequestTimeout {
		t.Errorf("answered %d %s, want 408", status, body)
	}
}

// TestASlowHandlerCutsNobodyOff lets a handler pause between two reads after the client
// has sent everything.
func TestASlowHandlerCutsNobodyOff(t *testing.T) {
	t.Parallel()
	slow := func(ctx context.Context, request *upload) (*uploaded, error) {
		if _, err := io.ReadFull(request.body, make([]byte, 10)); err != nil {
			return nil, err
		}
		<-time.After(3 * briefly)
		return count(ctx, request)
	}
	connection := put(t, serveStreams(t, pace{rate: 1 << 20, grace: briefly}, slow), bytesType, 1<<20)
	_, err := connection.Write(make([]byte, 1<<20))
	testkit.Must(t, err)
	if status, body := answerOn(t, connection); status != http.StatusOK {
		t.Errorf("answered %d %s", status, body)
	}
}

type told struct {
	Body struct {
		Text string `json:"text"`
	}
}

// TestTheDeadlineIsOfTheWork lets a body arrive after more time than the work may take.
func TestTheDeadlineIsOfTheWork(t *testing.T) {
	t.Parallel()
	handle := func(ctx context.Context, request *told) (*uploaded, error) {
		if request.Body.Text == "wait" {
			<-ctx.Done()
		}
		return &uploaded{}, ctx.Err()
	}
	address := serveOperation(t, pace{}, func(*http.Server) {}, Terms{Public: true, Body: Buffered, Deadline: 10 * briefly}, handle)
	for body, want := range map[string]int{`{"text":"go"}`: http.StatusOK, `{"text":"wait"}`: http.StatusServiceUnavailable} {
		connection := put(t, address, "application/json", len(body))
		<-time.After(15 * briefly)
		_, err := io.WriteString(connection, body)
		testkit.Must(t, err)
		if status, answer := answerOn(t, connection); status != want {
			t.Errorf("%s was answered %d %s, want %d", body, status, answer, want)
		}
	}
}
