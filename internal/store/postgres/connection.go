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

// ErrBadURL stands for pgx's own error, which may quote the password.
var ErrBadURL = errors.New("the database URL cannot be parsed: use postgres://user:password@host:port/database")

const readOnlyTransaction = "25006" // SQLSTATE of a write where there is none

// Configure has connections go to a server that takes writes, and each side of
// them notice that the other one is gone. Set config.ConnectTimeout before.
func Configure(config *pgx.ConnConfig) {
	needWrites(config)
	noticeLostPeers(config)
}

// needWrites has connections made to a server that takes writes. Of several
// hosts in the URL the standbys are passed over; a connection whose server became
// one is closed at its first write, so that the next is made to another. A URL
// with target_session_attrs keeps those: whoever only reads may spare the primary.
func needWrites(config *pgx.ConnConfig) {
	if !strings.Contains(config.ConnString(), "target_session_attrs") {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	stays := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		return err.Code != readOnlyTransaction && stays(conn, err)
	}
}

// noticeLostPeers has each side of a connection notice that the other one is gone.
func noticeLostPeers(config *pgx.ConnConfig) {
	maps.Copy(config.RuntimeParams, Keepalives())
	config.DialFunc = (&net.Dialer{
		Timeout:         config.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3},
	}).DialContext
}

// Keepalives have Postgres end the session of a program whose node is gone without a word, within a minute, and not
// within the two hours of TCP's own: until then its transaction is open, with the locks that it has. A command of the
// owner has them too, while it has no timeout: it may work for hours.
func Keepalives() map[string]string {
	return map[string]string{
		"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3", // seconds, and times
		"tcp_user_timeout": "60000", // milliseconds, for what was sent and is not acknowledged
	}
}
