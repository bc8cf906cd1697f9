package schema

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/store/postgres"
)

// Settings are the limits that Postgres sets for a part, by the names of its settings: those of the part's role, and of
// each of its connections, where they override those of the role.
func (p Part) Settings() map[string]string {
	statement := map[Part]string{
		PartServer:     "15s",   // as long as a request
		PartController: "30s",   // as long as a call of the reconciler
		PartWorker:     "10min", // after months without a worker it moves as many months of audit rows to their partitions
	}[p]
	if statement == "" {
		return nil
	}
	settings := map[string]string{
		"statement_timeout": statement,
		"lock_timeout":      "10s",
		// A program that hangs keeps others from the rows that it locked, and the audit log from being sealed.
		"idle_in_transaction_session_timeout": "30s",
	}
	maps.Copy(settings, postgres.Keepalives())
	return settings
}

// roleSettings are Settings, and what only the role has, because PgBouncer would refuse the connection of a program that sent
// it.
func (p Part) roleSettings() map[string]string {
	settings := p.Settings()
	if p == PartController {
		// A plan that was made while the tables were small is kept until they are analyzed again. They may grow by thousands of
		// rows until then, if as many objects are created at once.
		settings["enable_seqscan"] = "off"
	}
	return settings
}

// connectionShare is the part of Postgres' connections that one role may use. The number of replicas is not
// known here. The rest is for the other roles and the owner, should somebody flood Postgres with one role's password.
const connectionShare = 0.75

// strangeSetting is true of an entry of a role's settings that a session of the role can have made. That excludes settings
// that need a superuser, and the search path in another database, which an installation there has set for its parts: that
// installation itself resets what a thief does to it.
const strangeSetting = `NOT EXISTS (SELECT FROM pg_settings p WHERE p.name = split_part(entry, '=', 1) AND p.context LIKE 'superuser%')
	AND NOT (coalesce(d.datname, current_database()) <> current_database() AND split_part(entry, '=', 1) = 'search_path')`

// strangeSettings names the settings of the role that are not its part's and that a session of the role can have made.
// A thief of the password could leave them to the sessions that start after the password was changed.
func strangeSettings(ctx context.Context, conn *pgx.Conn, l Login) ([]string, error) {
	var own []string
	for name, value := range l.Part.roleSettings() {
		own = append(own, name+"="+value)
	}
	rows, err := conn.Query(ctx, `SELECT split_part(entry, '=', 1) || coalesce(' in database ' || d.datname, '')
		FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase,
			unnest(s.setconfig) entry
		WHERE r.rolname = $1 AND NOT entry = ANY($2::text[] || ('search_path=' || current_setting('search_path')))
			AND `+strangeSetting+`
		ORDER BY 1`, l.Role, own)
	if err != nil {
		return nil, fmt.Errorf("reading its settings: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("reading its settings: %w", err)
	}
	return names, nil
}

// partSettings returns the statements that give the role its part's settings and connections, and no others. A setting
// that only a superuser can have made stays, unless the owner is a superuser.
func partSettings(ctx context.Context, conn *pgx.Conn, l Login) (string, error) {
	var current string
	var connections int
	var elsewhere []string
	err := conn.QueryRow(ctx, `SELECT current_database(),
		((current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int) * $2::float8)::int,
		ARRAY(SELECT format('ALTER ROLE %I IN DATABASE %I RESET %I', r.rolname, d.datname, split_part(entry, '=', 1))
			FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) entry
			WHERE r.rolname = $1 AND d.datname <> current_database() AND `+strangeSetting+`)`, l.Role, connectionShare).Scan(&current, &connections, &elsewhere)
	if err != nil {
		return "", fmt.Errorf("looking for its settings in other databases: %w", err)
	}
	role := "ALTER ROLE " + pgx.Identifier{l.Role}.Sanitize()
	in := role + " IN DATABASE " + pgx.Identifier{current}.Sanitize()
	statements := []string{fmt.Sprintf("%s CONNECTION LIMIT %d", role, connections), role + " RESET ALL", in + " RESET ALL"}
	statements = append(statements, elsewhere...)
	for name, value := range l.Part.roleSettings() {
		statements = append(statements, fmt.Sprintf("%s SET %s = '%s'", role, name, value))
	}
	// The part finds the schema by the search path of the owner.
	statements = append(statements, in+" SET search_path FROM CURRENT")
	return strings.Join(statements, ";\n"), nil
}

// dropLargeObjects removes the role's large objects in this database: the platform makes none.
func dropLargeObjects(ctx context.Context, conn *pgx.Conn, role string) error {
	const some = 1000 // for each of them Postgres keeps a lock until the end of the transaction
	for dropped := some; dropped == some; {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
			dropped, err = dropSomeLargeObjects(ctx, tx, role, some)
			return err
		})
		if postgres.HasCode(err, "42501") {
			return nil // checkLeft logs them
		}
		if err != nil {
			return fmt.Errorf("removing its large objects: %w", err)
		}
		if dropped > 0 {
			slog.WarnContext(ctx, "removed large objects of a role", "role", role, "objects", dropped)
		}
	}
	return nil
}

// dropSomeLargeObjects removes some as the role itself, of which it is made a member until the end of the transaction.
func dropSomeLargeObjects(ctx context.Context, tx pgx.Tx, role string, most int) (int, error) {
	var there, member bool
	// From Postgres 16 on, the creator of a role is its member, but may not act as it.
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_largeobject_metadata WHERE lomowner = r.oid),
			pg_has_role(r.oid, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)
		FROM pg_roles r WHERE rolname = $1`, role).Scan(&there, &member)
	if err != nil || !there {
		return 0, err
	}
	role = pgx.Identifier{role}.Sanitize()
	before, after := "SET LOCAL ROLE "+role, "RESET ROLE"
	if !member {
		before, after = "GRANT "+role+" TO CURRENT_USER; "+before, after+"; REVOKE "+role+" FROM CURRENT_USER"
	}
	if _, err := tx.Exec(ctx, before); err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, `SELECT lo_unlink(oid) FROM (
		SELECT oid FROM pg_largeobject_metadata WHERE lomowner = to_regrole(quote_ident(current_user)) LIMIT $1) found`, most)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, after)
	return int(tag.RowsAffected()), err
}

// checkLeft logs rights of the parts that they should not have and the owner may not revoke.
func checkLeft(ctx context.Context, conn *pgx.Conn, logins []Login) error {
	var roles []string
	for _, l := range logins {
		roles = append(roles, l.Role)
	}
	var temporary, large bool
	var owned []string
	err := conn.QueryRow(ctx, `WITH part AS (SELECT oid, rolname FROM pg_roles WHERE rolname = ANY($1))
		SELECT bool_or(has_database_privilege(oid, current_database(), 'TEMPORARY')),
			bool_or(has_function_privilege(oid, 'pg_catalog.lo_create(oid)', 'EXECUTE')),
			ARRAY(SELECT DISTINCT format('%s in database %s', part.rolname, d.datname)
				FROM part JOIN pg_shdepend s ON s.refclassid = 'pg_authid'::regclass AND s.refobjid = part.oid AND s.deptype = 'o'
				JOIN pg_database d ON d.oid = s.dbid)
		FROM part`, roles).Scan(&temporary, &large, &owned)
	if err != nil {
		return fmt.Errorf("looking for excess rights of parts: %w", err)
	}
	if temporary || large || len(owned) > 0 {
		slog.WarnContext(ctx, "parts have more rights than they need, and the owner may not revoke them: see Database roles in docs/operations.md",
			"temporary_tables", temporary, "large_objects", large, "owners_of_objects", owned)
	}
	return nil
}
