package schema

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/postgres"
)

// Part is a long-running program with a role and rights of its own in Postgres.
type Part string

// The parts.
const (
	PartServer     Part = "server"
	PartWorker     Part = "worker"
	PartController Part = "controller"
)

// Login is the role that a part logs in as.
type Login struct {
	Part           Part
	Role, Password string
}

// grants has a file for each part. :"role" stands for the role, as in psql.
//
//go:embed grants/*.sql
var grants embed.FS

// rolesTimeout bounds the wait for other programs that change the same
// roles.
const rolesTimeout = time.Minute

var (
	errRoleMissing = errors.New("the role does not exist, and the owner may not create it: create it with LOGIN, or give the owner CREATEROLE")
	errRoleRights  = errors.New("the role has rights that a part must not have, or cannot log in: give it LOGIN, and make it neither SUPERUSER " +
		"nor BYPASSRLS, CREATEDB, CREATEROLE or REPLICATION, and no member of the owner")
	errRoleSettings = errors.New("the role has settings that a thief of its password may have left, and the owner may not reset them: " +
		"run ALTER ROLE ... RESET ALL and ALTER ROLE ... IN DATABASE ... RESET ALL as a role that may, and set your own settings on the database")
)

// EnsureRoles makes the roles, or sets their passwords, and gives each exactly the rights
// of its part on the schema at url, whose owner the URL names, with the part's policies for
// row-level security and the part's settings. It removes settings and large objects that somebody with the former
// password left behind. Where the owner may not change roles, the roles must exist, keep
// their passwords, and have no settings of that kind. Several may run at once, also for other databases of
// the same Postgres. Rights that a newer release gave are left as they are.
func EnsureRoles(ctx context.Context, url string, logins []Login) error {
	if len(logins) == 0 {
		return nil
	}
	config, err := ownerConfig(url)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, rolesTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connecting: %w", clinic.Unavailable(err))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, l := range logins {
		if err := untilAlone(ctx, func() error { return ensureRole(ctx, conn, l) }); err != nil {
			return fmt.Errorf("making the role %s: %w", l.Role, err)
		}
		if err := checkRole(ctx, conn, l); err != nil {
			return fmt.Errorf("checking the role %s: %w", l.Role, err)
		}
		if err := untilAlone(ctx, func() error { return dropLargeObjects(ctx, conn, l.Role) }); err != nil {
			return fmt.Errorf("cleaning up after the role %s: %w", l.Role, err)
		}
	}
	err = untilAlone(ctx, func() error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return grantAll(ctx, tx, logins) })
	})
	if err != nil {
		return fmt.Errorf("granting rights: %w", err)
	}
	return checkLeft(ctx, conn, logins)
}

// ensureRole makes the role, or sets its password, and sets its part's settings. For an existing role it does not mention
// other attributes, which only a superuser may mention.
func ensureRole(ctx context.Context, conn *pgx.Conn, l Login) error {
	verifier, err := scramVerifier(l.Password)
	if err != nil {
		return err
	}
	var exists, may, owner bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1),
		(SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user),
		EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND pg_has_role(oid, current_user, 'MEMBER'))`, l.Role).Scan(&exists, &may, &owner)
	if err != nil {
		return fmt.Errorf("looking for it: %w", err)
	}
	if owner { // or superuser: the limits of a part are not for it
		return errRoleRights
	}
	if !exists && !may {
		return errRoleMissing
	}
	strange, err := strangeSettings(ctx, conn, l)
	if err != nil {
		return err
	}
	settings, err := partSettings(ctx, conn, l)
	if err != nil {
		return err
	}
	statement := "CREATE ROLE %s NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION LOGIN PASSWORD '%s'"
	if exists {
		statement = "ALTER ROLE %s LOGIN PASSWORD '%s'"
	}
	if may {
		// A verifier has no character that ends the literal.
		_, err = conn.Exec(ctx, fmt.Sprintf(statement, pgx.Identifier{l.Role}.Sanitize(), verifier)+";\n"+settings)
	}
	if exists && (!may || postgres.HasCode(err, "42501")) { // from Postgres 16 on, only the creator of a role may change it
		slog.InfoContext(ctx, "left a role as it is: the owner may not change it", "role", l.Role)
		return nil
	}
	if err == nil && len(strange) > 0 {
		slog.WarnContext(ctx, "reset settings of a role", "role", l.Role, "settings", strange)
	}
	return err
}

func checkRole(ctx context.Context, conn *pgx.Conn, l Login) error {
	var good bool
	err := conn.QueryRow(ctx, `SELECT rolcanlogin AND NOT (rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication)
		AND NOT pg_has_role(rolname, current_user, 'MEMBER') FROM pg_roles WHERE rolname = $1`, l.Role).Scan(&good)
	if err != nil {
		return err
	}
	if !good {
		return errRoleRights
	}
	strange, err := strangeSettings(ctx, conn, l)
	if err == nil && len(strange) > 0 {
		err = fmt.Errorf("%w: %s", errRoleSettings, strings.Join(strange, ", "))
	}
	return err
}

func grantAll(ctx context.Context, tx pgx.Tx, logins []Login) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('healthrecords.roles', 0))`); err != nil {
		return fmt.Errorf("waiting for other changes of the roles: %w", err)
	}
	want, err := latestVersion()
	if err != nil {
		return err
	}
	var have int64
	var database, schema, relations string
	err = tx.QueryRow(ctx, `SELECT (SELECT max(version_id) FROM goose_db_version WHERE is_applied), current_database(), current_schema(),
		(SELECT string_agg(format('%I', relname), ', ') FROM pg_class
		 WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'S') AND pg_has_role(relowner, 'USAGE'))`,
	).Scan(&have, &database, &schema, &relations)
	if err != nil {
		return fmt.Errorf("reading the schema: %w", err)
	}
	if have > want {
		slog.InfoContext(ctx, "left the rights as they are: the schema is newer than this program", "version", have)
		return nil
	}
	schema = pgx.Identifier{schema}.Sanitize()
	database = pgx.Identifier{database}.Sanitize()
	if err := closeToPublic(ctx, tx, database, schema); err != nil {
		return fmt.Errorf("closing the database: %w", err)
	}
	for _, l := range logins {
		statements, err := grants.ReadFile("grants/" + string(l.Part) + ".sql")
		if err != nil {
			return fmt.Errorf("reading the rights of the %s: %w", l.Part, err)
		}
		role := pgx.Identifier{l.Role}.Sanitize()
		_, err = tx.Exec(ctx, "REVOKE ALL ON "+relations+" FROM "+role+
			"; REVOKE ALL ON DATABASE "+database+" FROM "+role+"; GRANT CONNECT ON DATABASE "+database+" TO "+role+
			"; GRANT USAGE ON SCHEMA "+schema+" TO "+role+
			";\n"+strings.ReplaceAll(string(statements), `:"role"`, role))
		if err == nil {
			err = openRows(ctx, tx, l)
		}
		if err != nil {
			return fmt.Errorf("of the %s: %w", l.Part, err)
		}
	}
	return nil
}

// closeToPublic revokes from PUBLIC the rights that the platform does not need: making objects in the schema, which was
// allowed before Postgres 15, temporary tables, and large objects, whose functions only a superuser may close.
func closeToPublic(ctx context.Context, tx pgx.Tx, database, schema string) error {
	var functions string
	err := tx.QueryRow(ctx, `SELECT coalesce(string_agg(format('; REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure), ''), '')
		FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea')
			AND pg_has_role(proowner, 'USAGE') AND has_function_privilege('public', oid, 'EXECUTE')`).Scan(&functions)
	if err == nil {
		_, err = tx.Exec(ctx, "REVOKE CREATE ON SCHEMA "+schema+" FROM PUBLIC; REVOKE TEMPORARY ON DATABASE "+database+" FROM PUBLIC"+functions)
	}
	return err
}

// openRows gives the policies that have the part's name to its role. It leaves a correct policy
// alone: a change locks the table for everybody.
func openRows(ctx context.Context, tx pgx.Tx, l Login) error {
	rows, err := tx.Query(ctx, `SELECT format('ALTER POLICY %I ON %I TO %I', policyname, tablename, $2::name) FROM pg_policies
		WHERE schemaname = current_schema() AND policyname = $1 AND roles <> ARRAY[$2::name] ORDER BY tablename`, string(l.Part), l.Role)
	if err != nil {
		return fmt.Errorf("looking for policies: %w", err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil {
		_, err = tx.Exec(ctx, strings.Join(statements, ";\n"))
	}
	if err != nil {
		return fmt.Errorf("setting the role of policies: %w", err)
	}
	return nil
}

// untilAlone repeats do while another program changes the same roles or tables:
// roles belong to all databases of a Postgres, but advisory locks to one.
func untilAlone(ctx context.Context, do func() error) error {
	for {
		err := postgres.RetryLocked(ctx, do)
		var pg *pgconn.PgError
		concurrent := postgres.HasCode(err, "42710", "23505") ||
			errors.As(err, &pg) && pg.Code == "XX000" && strings.HasPrefix(pg.Message, "tuple concurrently")
		if !concurrent {
			return err
		}
		timer := time.NewTimer(rand.N(50 * time.Millisecond)) // #nosec G404 -- spreads them, hides nothing
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}
