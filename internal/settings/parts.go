package settings

import (
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
)

const (
	badAddress  = "is not host:port; write for example 127.0.0.1:8000, or :8000 for every interface"
	badPositive = "must be more than 0"
)

// Common is what every subcommand reads.
type Common struct {
	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"text" help:"text or json"`
}

func (c Common) validate(f *ValidationErrors) {
	f.require(c.LogFormat == "text" || c.LogFormat == "json", "LOG_FORMAT", "is not a log format; use text or json")
}

// Admin is where a long-running part answers probes and scrapes.
type Admin struct {
	Address string `env:"ADMIN_ADDRESS" help:"host:port of /healthz, /readyz and /metrics (default 127.0.0.1:9090 for the server, :9091 for the worker, :9092 for the controller)"`
}

func (a Admin) validate(f *ValidationErrors) {
	f.require(isAddress(a.Address), "ADMIN_ADDRESS", badAddress)
}

// Search is how records are searched. All parts need the same value.
type Search struct {
	Language string `env:"SEARCH_LANGUAGE" envDefault:"simple" help:"language of records that have none, for the search: en, de, fr, es, ru, or simple for no word forms; after a change run healthrecords search reindex"`
}

func (s Search) validate(f *ValidationErrors) {
	f.require(slices.Contains([]string{"en", "de", "fr", "es", "ru", "simple"}, s.Language), "SEARCH_LANGUAGE", "must be en, de, fr, es, ru or simple")
}

// List is a setting of several values, separated by commas.
type List []string

// UnmarshalText splits text at commas and drops spaces around the values.
func (l *List) UnmarshalText(text []byte) error {
	*l = nil
	for value := range strings.SplitSeq(string(text), ",") {
		if value = strings.TrimSpace(value); value != "" {
			*l = append(*l, value)
		}
	}
	return nil
}

func isAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}
