package store

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestOpenDoesNotQuoteThePassword(t *testing.T) {
	t.Parallel()
	const url = "postgres://user:secret@localhost:notaport/db"
	if _, err := Open(t.Context(), Options{URL: url}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Open: %v", err)
	}
	if err := schema.Migrate(t.Context(), url); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Migrate: %v", err)
	}
}

func TestOpenDoesNotNeedTheDatabase(t *testing.T) {
	t.Parallel()
	server := testkit.StartPostgres(t)
	if err := server.CreateDatabase(t.Context(), "later", ""); err != nil {
		t.Fatal(err)
	}
	dsn := server.DSN("later")
	server.Kill()
	db := openTest(t, dsn)
	_, err := db.Identify(t.Context(), clinic.Caller{UserID: 1, Role: clinic.RolePatient})
	wantCode(t, err, clinic.CodeUnavailable)
	wantCode(t, db.Tx(t.Context(), nil, func(Handle) error { return nil }), clinic.CodeUnavailable)
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := schema.Check(t.Context(), db); !errors.Is(err, schema.ErrBehind) {
		t.Errorf("before the migration: %v", err)
	}
	if err := schema.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	if err := schema.Check(t.Context(), db); err != nil {
		t.Errorf("after the migration: %v", err)
	}
}

// TestPostgresNoticesThatAProgramIsGone covers a node that failed without closing connections:
// its transactions would stay open for two hours and hold back the sealing of the audit log.
func TestPostgresNoticesThatAProgramIsGone(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	for _, part := range []schema.Part{"", schema.PartServer, schema.PartWorker, schema.PartController} {
		db, err := Open(t.Context(), Options{URL: dsn, Settings: part.Settings()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		var probed, abandoned bool // both are 0 or hours without a setting, or without TCP
		err = db.pool.QueryRow(t.Context(), `SELECT inet_client_addr() IS NOT NULL
				AND current_setting('tcp_keepalives_idle')::int + current_setting('tcp_keepalives_interval')::int * current_setting('tcp_keepalives_count')::int <= 60,
			current_setting('tcp_user_timeout')::int BETWEEN 1 AND 60000`).Scan(&probed, &abandoned)
		if err != nil || !probed || !abandoned {
			t.Errorf("the part %q: probed %t, abandoned %t, %v", part, probed, abandoned, err)
		}
	}
}

// TestAStuckTransactionEnds also where a part shares the owner's role. The caller may try again.
func TestAStuckTransactionEnds(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, nil)
	for _, part := range []schema.Part{schema.PartServer, schema.PartWorker, schema.PartController} {
		db, err := Open(t.Context(), Options{URL: dsn, Settings: part.Settings(), MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		for setting := range part.Settings() {
			var value string
			if err := db.pool.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&value); err != nil || value != part.Settings()[setting] {
				t.Errorf("%s: %s is %q, %v", part, setting, value, err)
			}
		}
	}
	db := openTest(t, dsn)
	holder, err := db.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Rollback(context.WithoutCancel(t.Context())) })
	if _, err := holder.Exec(t.Context(), "CREATE TABLE held (); SELECT pg_advisory_xact_lock(1)"); err != nil {
		t.Fatal(err)
	}
	for setting, stuck := range map[string]string{
		"statement_timeout": "SELECT pg_sleep(60)", "lock_timeout": "SELECT pg_advisory_xact_lock(1)",
	} {
		_, err := db.pool.Exec(t.Context(), "SET LOCAL "+setting+" = 1; "+stuck)
		wantCode(t, translate(err), clinic.CodeUnavailable)
	}
	err = db.Tx(t.Context(), nil, func(h Handle) error {
		if _, err := h.db.Exec(t.Context(), "SET LOCAL idle_in_transaction_session_timeout = 1"); err != nil {
			return err
		}
		for { // until Postgres has ended it
			var there bool
			if err := db.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'idle in transaction'
				AND datname = current_database() AND pid <> $1)`, holder.Conn().PgConn().PID()).Scan(&there); err != nil || !there {
				break
			}
		}
		_, err := h.db.Exec(t.Context(), "SELECT 1")
		return translate(err)
	})
	wantCode(t, err, clinic.CodeUnavailable)
}

func TestTxIsAllOrNothing(t *testing.T) {
	t.Parallel()
	db := openTest(t, testkit.NewDatabase(t, schema.Migrate))
	failure := errors.New("failure")
	insert := func(h Handle, name string) error {
		_, err := h.Accounts().Create(t.Context(), clinic.Registration{Username: name, Role: clinic.RoleAdmin}, "-", false)
		return err
	}
	if err := db.Tx(t.Context(), nil, func(h Handle) error { return errors.Join(insert(h, "lost"), failure) }); !errors.Is(err, failure) {
		t.Errorf("err = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Tx(ctx, nil, func(h Handle) error {
		defer cancel()
		return insert(h, "cancelled")
	})
	wantCode(t, err, clinic.CodeUnavailable)
	func() {
		defer func() { _ = recover() }()
		_ = db.Tx(t.Context(), nil, func(h Handle) error {
			_ = insert(h, "panicked")
			panic("a bug")
		})
	}()
	if err := db.Tx(t.Context(), nil, func(h Handle) error { return insert(h, "kept") }); err != nil {
		t.Error(err)
	}
	wantIdle(t, db)
	var names []string
	if err := db.pool.QueryRow(t.Context(), "SELECT array_agg(username) FROM users").Scan(&names); err != nil || len(names) != 1 || names[0] != "kept" {
		t.Errorf("users = %v, %v", names, err)
	}
}

func TestTimesAreInUTC(t *testing.T) {
	t.Parallel()
	db := openTest(t, testkit.NewDatabase(t, nil))
	var at time.Time
	var maybe *time.Time
	err := db.pool.QueryRow(t.Context(), "SELECT timestamptz '2026-07-01 12:00:00+02', timestamptz '2026-07-01 12:00:00+02'").Scan(&at, &maybe)
	if err != nil || at.Location() != time.UTC || maybe.Location() != time.UTC || at.Hour() != 10 {
		t.Errorf("%v, %v, %v", at, maybe, err)
	}
}

// The driver's error quotes the values that broke a constraint; it must not get
// any further.
func TestErrorsDoNotQuoteRows(t *testing.T) {
	t.Parallel()
	db := openTest(t, testkit.NewDatabase(t, schema.Migrate))
	create := func(r clinic.Registration) error {
		_, err := db.System().Accounts().Create(t.Context(), r, "-", false)
		return err
	}
	if err := create(clinic.Registration{Username: "canary", Role: clinic.RoleAdmin}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		r    clinic.Registration
		code clinic.Code
	}{
		"unique":   {clinic.Registration{Username: "CANARY", Role: clinic.RoleAdmin}, clinic.CodeConflict},
		"check":    {clinic.Registration{Username: "a canary", Role: clinic.RoleAdmin}, clinic.CodeInternal},
		"encoding": {clinic.Registration{Username: "x", Email: "canary\x00", Role: clinic.RoleAdmin}, clinic.CodeInternal},
		"length":   {clinic.Registration{Username: "x", Email: strings.Repeat("canary", 100), Role: clinic.RoleAdmin}, clinic.CodeInternal},
	} {
		err := create(c.r)
		wantCode(t, err, c.code)
		if strings.Contains(strings.ToLower(err.Error()), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusedLoginIsUnavailable(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, nil)
	before, after, _ := strings.Cut(dsn, "@")
	db := openTest(t, before[:strings.LastIndex(before, ":")]+":wrong@"+after)
	wantCode(t, schema.Check(t.Context(), db), clinic.CodeUnavailable)
	wantCode(t, db.Ready(t.Context()), clinic.CodeUnavailable)
}

// TestReadinessSaysWhyNoConnectionIsMade protects operators from a log that says only that the database is unavailable.
func TestReadinessSaysWhyNoConnectionIsMade(t *testing.T) {
	t.Parallel()
	dsn, err := url.Parse(testkit.NewDatabase(t, nil))
	testkit.Must(t, err)
	wrongPassword, noDatabase, noServer := *dsn, *dsn, *dsn
	wrongPassword.User = url.UserPassword(dsn.User.Username(), "canary")
	noDatabase.Path = "/nowhere"
	noServer.Host = "nowhere.invalid:5432"
	for want, dsn := range map[string]url.URL{
		"password authentication failed": wrongPassword, "does not exist": noDatabase, "hostname resolving error": noServer,
	} {
		db := openTest(t, dsn.String())
		for _, err := range []error{db.Ready(t.Context()), schema.Check(t.Context(), db)} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
}

func TestExhaustedPoolIsUnavailable(t *testing.T) {
	t.Parallel()
	db := openTest(t, testkit.NewDatabase(t, nil))
	hold := func(next func()) {
		err := db.Tx(t.Context(), nil, func(Handle) error {
			next()
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	hold(func() {
		hold(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			wantCode(t, db.Tx(ctx, nil, func(Handle) error { return nil }), clinic.CodeUnavailable)
		})
	})
}

func TestTrimKeepsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	db := openTest(t, dsn)
	factory := testkit.NewFactory(t, dsn)
	admin := testkit.CallerOf(factory.Admin())
	h := db.System()
	for i := range byte(6) {
		if _, err := h.Sessions().Start(t.Context(), Credentials{User: clinic.User{ID: admin.UserID}, Version: 1}, append(make([]byte, 31), i), time.Hour, 20); err != nil {
			t.Fatal(err)
		}
		err := db.Tx(t.Context(), &admin, func(h Handle) error {
			_, err := h.IdempotencyKeys().Claim(t.Context(), clinic.Idempotency{Key: string('a' + rune(i)), Hash: []byte{1}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	factory.Exec(`UPDATE refresh_tokens SET expires_at = now() WHERE id <= 4`)
	factory.Exec(`UPDATE sessions SET expires_at = now() WHERE id <= 3`)
	factory.Exec(`UPDATE idempotency_keys SET created_at = now() - interval '1 day' WHERE key <= 'c'`)
	if n, err := h.Sessions().Trim(t.Context(), 2); err != nil || n != 4 {
		t.Errorf("the first two of each: %d, %v", n, err)
	}
	if n, err := h.Sessions().Trim(t.Context(), 100); err != nil || n != 3 {
		t.Errorf("the rest: %d, %v", n, err)
	}
	if n, err := h.IdempotencyKeys().Trim(t.Context(), time.Now().Add(-12*time.Hour), 2); err != nil || n != 2 {
		t.Errorf("the first two keys: %d, %v", n, err)
	}
	if n, err := h.IdempotencyKeys().Trim(t.Context(), time.Now().Add(-12*time.Hour), 100); err != nil || n != 1 {
		t.Errorf("the rest of the keys: %d, %v", n, err)
	}
	for table, want := range map[string]int{"sessions": 3, "refresh_tokens": 2, "idempotency_keys": 3} {
		if n := factory.Count("SELECT count(*) FROM " + table); n != want {
			t.Errorf("%s: %d rows, want %d", table, n, want)
		}
	}
}
