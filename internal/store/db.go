package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
	"github.com/healthrecords/healthrecords/internal/store/postgres"
)

// Options says how to reach Postgres.
type Options struct {
	URL      string            // postgres:// URL or key=value DSN
	Settings map[string]string // Postgres' settings for each connection, such as timeouts; may be nil
	MaxConns int32             // size of the pool; 0 takes pgx's default
	Tracer   pgx.QueryTracer   // may be nil
	// AcquireTimeout is how long a statement waits for a connection when all are
	// busy or being opened. Then it fails with CodeUnavailable. 0 means 3 s.
	AcquireTimeout time.Duration
}

func (o *Options) setDefaults() { o.AcquireTimeout = cmp.Or(o.AcquireTimeout, 3*time.Second) }

// DB is a pool of connections to Postgres. It is safe for concurrent use.
type DB struct {
	pool      *pgxpool.Pool
	audits    *auditGroup
	unaudited bool // only a benchmark's: what do audit rows cost?
}

// Open makes the pool. It does not connect: the first statement, and readiness, find out
// whether the database is up.
func Open(ctx context.Context, opts Options) (*DB, error) {
	opts.setDefaults()
	config, err := pgxpool.ParseConfig(opts.URL)
	if err != nil {
		return nil, postgres.ErrBadURL // pgx's own error may quote the password
	}
	if opts.MaxConns > 0 {
		config.MaxConns = opts.MaxConns
	}
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	postgres.Configure(config.ConnConfig)
	config.ConnConfig.Tracer = withAcquireLimit(opts.Tracer, opts.AcquireTimeout)
	config.ConnConfig.RuntimeParams["application_name"] = "healthrecords"
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	// The policies make the planner overestimate the cost of short statements. Compiling them
	// would take many times as long as running them.
	config.ConnConfig.RuntimeParams["jit"] = "off"
	// Each statement is planned once for each connection, for any parameters. With
	// the policies planning takes many times as long as reading a record, and no
	// statement needs to know its parameters for a good plan: TestStatementsUseIndexes.
	config.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	maps.Copy(config.ConnConfig.RuntimeParams, opts.Settings)
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("making the connection pool: %w", translate(err))
	}
	return &DB{pool: pool, audits: newAuditGroup(pool)}, nil
}

// Close waits for borrowed connections and closes the pool.
func (db *DB) Close() { db.pool.Close() }

// Stat returns the pool's figures, for metrics.
func (db *DB) Stat() *pgxpool.Stat { return db.pool.Stat() }

// Handle runs statements for one caller. Records, Comments and so on are
// its statements by subject.
type Handle struct{ handle }

// handle has the fields that the statements of every subject need.
type handle struct {
	db dbsqlc.DBTX
	q  *dbsqlc.Queries
	// Who is the caller as the database knows them now. It is set inside a
	// transaction; a single statement of As checks the caller in the same round trip.
	Who Identity

	audits *auditGroup // writes the audit rows of single statements that read patients' data
	audit  *audit      // of the transaction, where it has one
}

func newHandle(db dbsqlc.DBTX, who Identity) Handle {
	return Handle{handle{db: db, q: dbsqlc.New(), Who: who}}
}

// Now is the time by the database's clock, which decides when access begins and
// ends: the clock of a program may differ.
func (h Handle) Now(ctx context.Context) (now time.Time, err error) {
	if err := h.db.QueryRow(ctx, "-- name: Now\nSELECT statement_timestamp()").Scan(&now); err != nil {
		return time.Time{}, fmt.Errorf("reading the database's clock: %w", translate(err))
	}
	return now, nil
}

// As returns a handle for single statements of the caller. Each is sent
// together with the check that the caller's account still exists and is
// active, in one round trip and one implicit transaction. Where the check fails,
// the statement fails with CodeUnauthenticated.
//
// A statement that reads patients' data returns once its audit row is written, too: see auditing.
func (db *DB) As(caller clinic.Caller) Handle {
	h := newHandle(batchDB{sender: db.pool, who: identifying(caller)}, Identity{Caller: caller})
	if !db.unaudited {
		h.audits = db.audits
	}
	return h
}

// Account returns a handle for single statements about one account before there
// is a caller. They see that account, but no other person and no health data.
func (db *DB) Account(key AccountKey) Handle {
	return newHandle(batchDB{sender: db.pool, who: &statement{key.sql, []any{key.arg}}}, Identity{})
}

// System returns a handle for single statements of the platform itself. With the
// server's role it sees no patient.
func (db *DB) System() Handle { return newHandle(db.pool, Identity{}) }

// Snapshot runs fn in a read-only transaction that sees the audit log and its chain
// as they are when it begins, however long it takes. It locks the log before its first
// read, because a month that retention detaches disappears from older snapshots, too.
func (db *DB) Snapshot(ctx context.Context, fn func(Handle) error) error {
	tx, err := db.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("beginning a transaction that reads: %w", translate(err))
	}
	defer func() {
		ctx, cancel := rollbackContext(ctx)
		defer cancel()
		_ = tx.Rollback(ctx)
	}()
	if _, err := tx.Exec(ctx, "LOCK TABLE audit_log IN ACCESS SHARE MODE"); err != nil {
		return fmt.Errorf("locking the audit log to read it: %w", translate(err))
	}
	return fn(newHandle(tx, Identity{}))
}
