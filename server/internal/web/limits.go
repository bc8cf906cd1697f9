package web

import (
	"log/slog"
	"net/http"
	"time"
)

// MaxBody is how many bytes a request's body may have.
const MaxBody = 1 << 20

// The other limits of HTTP, all of them: what a client may send, and how much of
// the server it may keep busy, and for how long.
const (
	smallBody = 64 << 10 // bytes; a larger one needs a place among the large ones, and without login there is none
	maxHeader = 32 << 10
	maxPage   = 10000 // page number; deeper than that, lists are read by cursor

	maxConnections           = 4096 // defaults: both are settings
	maxConnectionsPerAddress = 512
	maxStreams               = 32 // requests at once on one HTTP/2 connection

	// Places of the pools. All bodies that are in memory at once have
	// 2*bodyPlaces*smallBody + largePlaces*MaxBody = 96 MiB at most, in buffers
	// that may have twice that.
	bodyPlaces   = 512 // requests with a body, from its first byte to the answer; as many again without login
	largePlaces  = 32  // those of them whose body is not small
	workPlaces   = 512 // operations in work
	publicPlaces = 128 // operations in work without login
	streamPlaces = 64  // operations that take as long as their client sends
	quarter      = 4   // of each pool is all that one client gets

	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second // header and body
	unreadTimeout     = time.Second      // what is left of a body that nobody reads
	workTimeout       = 15 * time.Second // an operation's work, once the body is there
	writeTimeout      = 60 * time.Second // from the end of the header, or of a streamed body, to that of the answer
	idleTimeout       = 2 * time.Minute

	retryAfter = "2" // seconds, told with 503 and with a full share
)

// streamPace is for streamed bodies, which may take any time.
func streamPace() pace { return pace{rate: 4 << 10, grace: 10 * time.Second} }

// NewHTTPServer returns an http.Server for addr ("host:port") with the limits
// of this package, but for those of LimitConnections. Its own complaints, about
// TLS handshakes and the like, go to log as warnings.
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
