package server

import (
	"log/slog"
	"net/http"
	"time"
)

// The limits of HTTP, all of them: what a client may send, and for how long it
// may keep the server busy.
const (
	maxBody       = 1 << 20 // bytes of a request's body
	maxHeader     = 32 << 10
	maxConcurrent = 512   // requests in work; more are answered 503 at once
	maxPage       = 10000 // page number; deeper than that, lists are read by cursor

	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second // header and body
	requestTimeout    = 15 * time.Second // the handler's work
	writeTimeout      = 60 * time.Second // from the end of the header to the end of the answer
	idleTimeout       = 2 * time.Minute

	retryAfter = "2" // seconds, told with 503
)

// NewHTTPServer returns an http.Server for addr ("host:port") with the limits
// of this package. Its own complaints, about TLS handshakes and the like, go to
// log as warnings.
func NewHTTPServer(addr string, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
