package settings

import (
	"crypto/x509"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Database says how to reach Postgres: by DATABASE_URL, or in pieces, which
// need no escaping and let a password come from a file of its own.
type Database struct {
	URL         Secret `env:"DATABASE_URL" help:"Postgres, as postgres://user:password@host:port/database (required, unless DATABASE_HOST is given)"`
	Host        string `env:"DATABASE_HOST" help:"instead of DATABASE_URL: host name, address, or directory of the socket; of several, separated by commas, the one that takes writes is used"`
	Port        uint16 `env:"DATABASE_PORT" help:"port at DATABASE_HOST (default 5432)"`
	Name        string `env:"DATABASE_NAME" help:"database at DATABASE_HOST"`
	User        string `env:"DATABASE_USER" help:"role to log in as at DATABASE_HOST"`
	Password    Secret `env:"DATABASE_PASSWORD" help:"its password"`
	SSLMode     string `env:"DATABASE_SSLMODE" help:"TLS to DATABASE_HOST: disable, allow, prefer, require, verify-ca or verify-full (default prefer)"`
	SSLRootCert string `env:"DATABASE_SSLROOTCERT" help:"path of the PEM certificates that DATABASE_HOST's must come from"`
	MaxConns    int32  `env:"DATABASE_MAX_CONNS" envDefault:"20" help:"connections that one process opens at most"`
}

// ConnString is the URL for the driver.
func (d Database) ConnString() Secret {
	if d.URL != "" {
		return d.URL
	}
	// As parameters all of them may hold any character, and a host may be a directory.
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
	// A plus sign means a space to forms, not to the driver.
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
		f.add("DATABASE_URL", "is not set; give postgres://user:password@host:port/database, or DATABASE_URL_FILE, or DATABASE_HOST, DATABASE_NAME, DATABASE_USER and DATABASE_PASSWORD")
	case !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") && !strings.Contains(url, "="):
		f.add("DATABASE_URL", "is not a Postgres URL; give postgres://user:password@host:port/database")
	}
}

func (d Database) validatePieces(f *ValidationErrors) {
	f.require(d.URL == "", "DATABASE_URL", "is given beside DATABASE_HOST, _PORT, _NAME, _USER, _PASSWORD, _SSLMODE or _SSLROOTCERT; give the URL or the pieces")
	f.require(d.URL != "" || d.Host != "", "DATABASE_HOST", "is not set; name the host of Postgres, or give DATABASE_URL and no piece of it")
	f.require(d.URL != "" || d.Name != "", "DATABASE_NAME", "is not set; name the database")
	f.require(d.URL != "" || d.User != "", "DATABASE_USER", "is not set; name the role to log in as")
	f.require(slices.Contains([]string{"", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, d.SSLMode),
		"DATABASE_SSLMODE", "is no mode of TLS; use disable, allow, prefer, require, verify-ca or verify-full")
	if d.SSLRootCert != "" {
		f.require(slices.Contains([]string{"require", "verify-ca", "verify-full"}, d.SSLMode),
			"DATABASE_SSLROOTCERT", "has no effect unless DATABASE_SSLMODE is verify-full, verify-ca or require: no other mode looks at the server's certificate")
		pem, err := os.ReadFile(d.SSLRootCert) // #nosec G304 -- the operator names the file
		f.require(err == nil && x509.NewCertPool().AppendCertsFromPEM(pem),
			"DATABASE_SSLROOTCERT", "is not the path of a readable file with PEM certificates")
	}
}
