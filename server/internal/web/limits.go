package web

import (
	"log/slog"
	"net/http"
	"time"
)

// MaxBody is the size of the largest body, in bytes.
const MaxBody = 1 << 20

// The other limits of HTTP: how much a client may send, how much of the server it
// may occupy, and for how long.
const (
	smallBody = 64 << 10 // bytes; a larger body needs a place in the pool of large ones, and requires a login
	maxHeader = 32 << 10
	maxPage   = 10000 // page number; beyond it, clients use a cursor

	maxConnections           = 4096 // the defaults of two settings
	maxConnectionsPerAddress = 512
	maxStreams               = 32 // concurrent requests on one HTTP/2 connection

	// Places of the pools. All bodies that are in memory at once have at most
	// 2*bodyPlaces*smallBody + largePlaces*MaxBody = 96 MiB, in buffers of up to
	// twice that size.
	bodyPlaces   = 512 // requests with a body, from its first byte to the answer; as many again without login
	largePlaces  = 32  // requests whose body is not small
	workPlaces   = 512 // running operations
	publicPlaces = 128 // running operations without login
	streamPlaces = 64  // operations that run for as long as their client sends
	quarter      = 4   // one client gets at most this fraction (1/4) of a pool

	placeWait   = 100 * time.Millisecond // for a place: about as long as an operation takes when all places are taken
	queueLength = 4                      // for each place, this many requests may wait

	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second // header and body
	unreadTimeout     = time.Second      // the rest of a body that no handler reads
	workTimeout       = 15 * time.Second // an operation's work, after its body has arrived
	writeTimeout      = 60 * time.Second // from the end of the header, or of a streamed body, to the end of the answer
	idleTimeout       = 2 * time.Minute

	retryAfter = "2" // seconds; sent with 503, and with 429 for too many requests at once
)

// streamPace returns the pace of streamed bodies, which may take any time in total.
func streamPace() pace { return pace{rate: 4 << 10, grace: 10 * time.Second} }

// NewHTTPServer returns an http.Server for addr ("host:port") with the limits
// of this package, except those of LimitConnections. It logs its own errors,
// such as failed TLS handshakes, as warnings.
func NewHTTPServer(addr string, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
