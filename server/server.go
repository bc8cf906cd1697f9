// Package server serves the platform's HTTP API.
package server

import (
	"log/slog"
	"net"
	"net/http"

	"github.com/healthrecords/healthrecords/server/rest"
)

// Options are the parts of the API.
type Options = rest.Options

// ConnectionOptions say how many connections a listener holds at once.
type ConnectionOptions = rest.ConnectionOptions

// New returns the handler of the whole API.
func New(opts Options) (http.Handler, error) { return rest.New(opts) }

// OpenAPI returns the API's OpenAPI 3.1 document as YAML.
func OpenAPI() ([]byte, error) { return rest.OpenAPI() }

// NewHTTPServer returns an http.Server for addr with the API's limits.
func NewHTTPServer(addr string, handler http.Handler, log *slog.Logger) *http.Server {
	return rest.NewHTTPServer(addr, handler, log)
}

// LimitConnections returns a listener that closes what it accepts beyond the limits.
func LimitConnections(listener net.Listener, opts ConnectionOptions) (net.Listener, error) {
	return rest.LimitConnections(listener, opts)
}
