package settings

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Redis describes how to reach Redis: one server by REDIS_URL, or Sentinel, or a
// Cluster.
type Redis struct {
	URL               Secret `env:"REDIS_URL" help:"URL of a single server, as redis://user:password@host:port/database; rediss:// for TLS"`
	SentinelAddresses List   `env:"REDIS_SENTINEL_ADDRESSES" help:"alternative to REDIS_URL: host:port of the sentinels, separated by commas"`
	MasterName        string `env:"REDIS_MASTER_NAME" help:"name of the master that the sentinels watch"`
	ClusterAddresses  List   `env:"REDIS_CLUSTER_ADDRESSES" help:"alternative to REDIS_URL: host:port of nodes of a Redis Cluster, separated by commas"`
	Username          string `env:"REDIS_USERNAME" help:"ACL user, if REDIS_URL has none"`
	Password          Secret `env:"REDIS_PASSWORD" help:"password, if REDIS_URL has none"`
	SentinelPassword  Secret `env:"REDIS_SENTINEL_PASSWORD" help:"password of the sentinels"`
	Database          int    `env:"REDIS_DATABASE" envDefault:"0" help:"logical database with Sentinel"`
	TLS               bool   `env:"REDIS_TLS" envDefault:"false" help:"use TLS with Sentinel or a Cluster"`
	TLSCA             string `env:"REDIS_TLS_CA" help:"PEM CA certificates to trust instead of the system's"`
	TLSCert           string `env:"REDIS_TLS_CERT" help:"PEM client certificate"`
	TLSKey            Secret `env:"REDIS_TLS_KEY" help:"PEM key of the client certificate"`
	KeyPrefix         string `env:"REDIS_KEY_PREFIX" envDefault:"healthrecords:" help:"prefix of every key, for a shared Redis"`
}

func (r Redis) validate(f *ValidationErrors) {
	r.validateMode(f)
	r.validateEffect(f)
	for _, address := range r.SentinelAddresses {
		f.require(isAddress(address), "REDIS_SENTINEL_ADDRESSES", "has an entry that is not host:port; write for example sentinel-0:26379,sentinel-1:26379")
	}
	for _, address := range r.ClusterAddresses {
		f.require(isAddress(address), "REDIS_CLUSTER_ADDRESSES", "has an entry that is not host:port; write for example redis-0:6379,redis-1:6379")
	}
	f.require(r.Database >= 0, "REDIS_DATABASE", "must be 0 or more")
	f.require(r.TLSCA == "" || x509.NewCertPool().AppendCertsFromPEM([]byte(r.TLSCA)), "REDIS_TLS_CA", "has no PEM certificate")
	if r.TLSCert != "" || r.TLSKey != "" {
		_, err := tls.X509KeyPair([]byte(r.TLSCert), []byte(r.TLSKey.Reveal()))
		f.require(err == nil, "REDIS_TLS_CERT", "and REDIS_TLS_KEY are not a PEM certificate and its key; give both, or neither")
	}
}

func (r Redis) validateMode(f *ValidationErrors) {
	modes := 0
	for _, given := range []bool{r.URL != "", len(r.SentinelAddresses) > 0, len(r.ClusterAddresses) > 0} {
		if given {
			modes++
		}
	}
	const choice = "REDIS_URL, REDIS_SENTINEL_ADDRESSES or REDIS_CLUSTER_ADDRESSES"
	switch {
	case modes == 0:
		f.add("REDIS_URL", "is not set; set one of "+choice)
	case modes > 1:
		f.add("REDIS_URL", "is not the only address of Redis; set one of "+choice)
	case r.URL != "":
		_, err := parseRedisURL(r.URL)
		f.require(err == nil, "REDIS_URL", "is not a Redis URL; set redis://user:password@host:port/database, or rediss:// for TLS, without parameters")
	case len(r.SentinelAddresses) > 0:
		f.require(r.MasterName != "", "REDIS_MASTER_NAME", "is not set; set the name of the master that the sentinels watch")
	}
}

// validateEffect refuses settings that the chosen way to Redis does not read.
// Those of TLS would leave the password readable on the network.
func (r Redis) validateEffect(f *ValidationErrors) {
	sentinel := len(r.SentinelAddresses) > 0
	const needsSentinel = "has no effect without REDIS_SENTINEL_ADDRESSES; leave it out"
	f.require(r.MasterName == "" || sentinel, "REDIS_MASTER_NAME", needsSentinel)
	f.require(r.SentinelPassword == "" || sentinel, "REDIS_SENTINEL_PASSWORD", needsSentinel)
	f.require(r.Database == 0 || sentinel, "REDIS_DATABASE", "has no effect without REDIS_SENTINEL_ADDRESSES; write it at the end of REDIS_URL; a Cluster has only database 0")
	f.require(!r.TLS || r.URL == "", "REDIS_TLS", "has no effect together with REDIS_URL; leave it out, and write rediss:// in REDIS_URL")

	single, err := parseRedisURL(r.URL)
	if err != nil {
		single = &redis.Options{} // no REDIS_URL, or an invalid one, which has a fault already
	}
	encrypted := r.TLS || single.TLSConfig != nil
	const needsTLS = "has no effect without TLS, and the password would be readable on the network; write rediss:// in REDIS_URL, or set REDIS_TLS=true with Sentinel or a Cluster"
	f.require(r.TLSCA == "" || encrypted, "REDIS_TLS_CA", needsTLS)
	f.require(r.TLSCert == "" || encrypted, "REDIS_TLS_CERT", needsTLS)
	const twice = "is set together with the one in REDIS_URL; set one of them"
	f.require(r.Username == "" || single.Username == "", "REDIS_USERNAME", twice)
	f.require(r.Password == "" || single.Password == "", "REDIS_PASSWORD", twice)
	const userAlone = "names a user without a password; set REDIS_PASSWORD"
	f.require(r.Username == "" || r.Password+Secret(single.Password) != "", "REDIS_USERNAME", userAlone)
	f.require(single.Username == "" || r.Password+Secret(single.Password) != "", "REDIS_URL", userAlone)
}

// Options returns the options of a go-redis client. The settings have been
// validated by Load. Timeouts are short: callers do not wait for Redis,
// because nothing depends on it alone.
func (r Redis) Options() *redis.UniversalOptions {
	options := &redis.UniversalOptions{
		Addrs:            append(append([]string{}, r.SentinelAddresses...), r.ClusterAddresses...),
		IsClusterMode:    len(r.ClusterAddresses) > 0,
		MasterName:       r.MasterName,
		DB:               r.Database,
		Username:         r.Username,
		Password:         r.Password.Reveal(),
		SentinelPassword: r.SentinelPassword.Reveal(),

		ClientName:            "healthrecords",
		ContextTimeoutEnabled: true,
		DialTimeout:           2 * time.Second,
		DialerRetries:         1,
		ReadTimeout:           2 * time.Second,
		WriteTimeout:          2 * time.Second,
		MaxRetries:            1,
		// Only Redis' own cloud service sends these, and each new connection would request them.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if r.TLS {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if single, err := parseRedisURL(r.URL); err == nil {
		options.Addrs = []string{single.Addr}
		options.MasterName = ""
		options.DB = single.DB
		options.Username = orElse(single.Username, options.Username)
		options.Password = orElse(single.Password, options.Password)
		if single.TLSConfig != nil {
			options.TLSConfig = single.TLSConfig
		}
	}
	r.addCertificates(options.TLSConfig)
	return options
}

func (r Redis) addCertificates(config *tls.Config) {
	if config == nil {
		return
	}
	if r.TLSCA != "" {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM([]byte(r.TLSCA))
	}
	if pair, err := tls.X509KeyPair([]byte(r.TLSCert), []byte(r.TLSKey.Reveal())); err == nil {
		config.Certificates = []tls.Certificate{pair}
	}
}

// parseRedisURL parses the URL of one server. The error quotes the URL, so it
// must not be shown.
func parseRedisURL(url Secret) (*redis.Options, error) {
	options, err := redis.ParseURL(url.Reveal())
	if err == nil && (strings.HasPrefix(url.Reveal(), "unix:") || strings.Contains(url.Reveal(), "?")) {
		return nil, errors.New("a universal client supports neither a socket nor parameters")
	}
	return options, err
}

func orElse(value, other string) string {
	if value != "" {
		return value
	}
	return other
}
