package settings

import (
	"crypto/x509"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Database describes how to reach Postgres: by DATABASE_URL, or by separate
// variables, which need no escaping and allow the password to come from its own file.
type Database struct {
	URL         Secret `env:"DATABASE_URL" help:"Postgres, as postgres://user:password@host:port/database (required unless DATABASE_HOST is set)"`
	Host        string `env:"DATABASE_HOST" help:"alternative to DATABASE_URL: host name, address, or socket directory; of several, separated by commas, the one that accepts writes is used"`
	Port        uint16 `env:"DATABASE_PORT" help:"port at DATABASE_HOST (default 5432)"`
	Name        string `env:"DATABASE_NAME" help:"database at DATABASE_HOST"`
	User        string `env:"DATABASE_USER" help:"role for DATABASE_HOST"`
	Password    Secret `env:"DATABASE_PASSWORD" help:"password for DATABASE_HOST"`
	SSLMode     string `env:"DATABASE_SSLMODE" help:"TLS to DATABASE_HOST: disable, allow, prefer, require, verify-ca or verify-full (default prefer)"`
	SSLRootCert string `env:"DATABASE_SSLROOTCERT" help:"path of the PEM CA certificates that verify DATABASE_HOST"`
	MaxConns    int32  `env:"DATABASE_MAX_CONNS" envDefault:"20" help:"maximum number of connections of one process"`
}

// ConnString is the URL for the driver.
func (d Database) ConnString() Secret {
	if d.URL != "" {
		return d.URL
	}
	// As query parameters all values may contain any character, and a host may be a directory.
	query := url.Values{
		"host": {d.Host}, "port": {d.port()}, "dbname": {d.Name}, "user": {d.User},
		"sslmode": {orElse(d.SSLMode, "prefer")},
	}
	if d.Password != "" {
		query.Set("password", d.Password.Reveal())
	}
	if d.SSLRootCert != "" {
		query.Set("sslrootcert", d.SSLRootCert)
	}
	// Form encoding writes a space as a plus sign, which the driver does not decode.
	return Secret("postgres:///?" + strings.ReplaceAll(query.Encode(), "+", "%20"))
}

func (d Database) port() string {
	if d.Port == 0 {
		return "5432"
	}
	return strconv.Itoa(int(d.Port))
}

func (d Database) validate(f *ValidationErrors) {
	if d.inPieces() {
		d.validatePieces(f)
	} else {
		d.validateURL(f)
	}
	f.require(d.MaxConns >= 1 && d.MaxConns <= 1000, "DATABASE_MAX_CONNS", "must be from 1 to 1000")
}

func (d Database) inPieces() bool {
	return d.Host+d.Name+d.User+d.Password.Reveal()+d.SSLMode+d.SSLRootCert != "" || d.Port != 0
}

func (d Database) validateURL(f *ValidationErrors) {
	url := d.URL.Reveal()
	switch {
	case url == "":
		f.add("DATABASE_URL", "is not set; set postgres://user:password@host:port/database, or DATABASE_URL_FILE, or DATABASE_HOST, DATABASE_NAME, DATABASE_USER and DATABASE_PASSWORD")
	case !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") && !strings.Contains(url, "="):
		f.add("DATABASE_URL", "is not a Postgres URL; set postgres://user:password@host:port/database")
	}
}

func (d Database) validatePieces(f *ValidationErrors) {
	f.require(d.URL == "", "DATABASE_URL", "is set together with DATABASE_HOST, _PORT, _NAME, _USER, _PASSWORD, _SSLMODE or _SSLROOTCERT; set either the URL or the separate variables")
	f.require(d.URL != "" || d.Host != "", "DATABASE_HOST", "is not set; set the host of Postgres, or set DATABASE_URL and none of the separate variables")
	f.require(d.URL != "" || d.Name != "", "DATABASE_NAME", "is not set; set the name of the database")
	f.require(d.URL != "" || d.User != "", "DATABASE_USER", "is not set; set the role to log in as")
	f.require(slices.Contains([]string{"", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, d.SSLMode),
		"DATABASE_SSLMODE", "is not a TLS mode; use disable, allow, prefer, require, verify-ca or verify-full")
	if d.SSLRootCert != "" {
		f.require(slices.Contains([]string{"require", "verify-ca", "verify-full"}, d.SSLMode),
			"DATABASE_SSLROOTCERT", "has no effect unless DATABASE_SSLMODE is verify-full, verify-ca or require: no other mode checks the server's certificate")
		pem, err := os.ReadFile(d.SSLRootCert) // #nosec G304 -- the operator names the file
		f.require(err == nil && x509.NewCertPool().AppendCertsFromPEM(pem),
			"DATABASE_SSLROOTCERT", "is not the path of a readable file with PEM certificates")
	}
}
