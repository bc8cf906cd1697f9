package postgres

import (
	"errors"
	"maps"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrBadURL replaces pgx's own error, which may quote the password.
var ErrBadURL = errors.New("the database URL cannot be parsed: use postgres://user:password@host:port/database")

const readOnlyTransaction = "25006" // SQLSTATE of a write on a server that takes none

// Configure makes connections go to a server that takes writes, and makes each side of
// them notice when the other one is gone. Set config.ConnectTimeout before.
func Configure(config *pgx.ConnConfig) {
	needWrites(config)
	noticeLostPeers(config)
}

// needWrites makes connections go to a server that takes writes. It passes over the
// standbys among several hosts in the URL. A connection whose server became a
// standby is closed at its first write, so that the next one goes to another host. A URL
// with target_session_attrs keeps its value: a program that only reads may spare the primary.
func needWrites(config *pgx.ConnConfig) {
	if !strings.Contains(config.ConnString(), "target_session_attrs") {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	stays := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		return err.Code != readOnlyTransaction && stays(conn, err)
	}
}

// noticeLostPeers makes each side of a connection notice when the other one is gone.
func noticeLostPeers(config *pgx.ConnConfig) {
	maps.Copy(config.RuntimeParams, Keepalives())
	config.DialFunc = (&net.Dialer{
		Timeout:         config.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3},
	}).DialContext
}

// Keepalives make Postgres end the session of a program whose node vanished, within a minute
// instead of TCP's two hours: until then its transaction stays open and keeps its locks. The commands of the
// owner use them too, because they have no timeout: they may work for hours.
func Keepalives() map[string]string {
	return map[string]string{
		"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3", // seconds, and times
		"tcp_user_timeout": "60000", // milliseconds, for what was sent and is not acknowledged
	}
}
