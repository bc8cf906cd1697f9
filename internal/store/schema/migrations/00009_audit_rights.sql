-- +goose Up

-- In the patient's log a private comment appears as the reading of the record that it
-- included. The object of its row is the record. Before, it was the comment, as for a
-- public one: only the comment itself shows which of them it is. Where the comment was
-- deleted with its record, the row appears as that of a doctor who listed records.
CREATE OR REPLACE VIEW callers_audit WITH (security_barrier = true) AS
SELECT l.id, l.at, l.user_id, l.role,
    CASE read.record WHEN 0 THEN l.operation WHEN -1 THEN 'listRecords' ELSE 'getRecord' END AS operation,
    CASE read.record WHEN 0 THEN l.object_kind ELSE 'record' END AS object_kind,
    CASE read.record WHEN 0 THEN l.object_id WHEN -1 THEN NULL ELSE read.record END AS object_id,
    l.reason, l.decision,
    nullif(l.assignment_ids[array_position(l.patient_ids, caller_id('patient'))], 0) AS assignment_id,
    u.username, u.first_name, u.last_name
FROM audit_log l
CROSS JOIN LATERAL (
    -- The record that was read: 0 if the row is shown as it is, -1 if nothing shows it any more.
    -- A subquery and no join, whose plan would hash all comments.
    SELECT CASE
        WHEN l.operation <> 'addComment' OR l.decision <> 'allowed' THEN 0
        WHEN l.object_kind = 'record' THEN l.object_id
        ELSE coalesce((SELECT CASE WHEN c.is_private THEN c.record_id ELSE 0 END FROM doctor_comments c WHERE c.id = l.object_id), -1)
    END AS record
) AS read
LEFT JOIN users u ON u.id = l.user_id AND (u.role <> 'PATIENT' OR u.id = caller_id('user'))
WHERE l.patient_ids @> ARRAY[caller_id('patient')];

-- Each part adds rows of its own kind. The server adds them as the caller of its transaction.
-- Without a caller it adds refusals, whose transaction has ended by then, and reads,
-- of which one transaction may write many. server/audit_test.go compares their names with
-- the API's document.
DROP POLICY everybody_adds ON audit_log;
CREATE POLICY server ON audit_log FOR INSERT TO CURRENT_USER WITH CHECK (
    user_id IS NOT NULL AND role IN ('PATIENT', 'DOCTOR', 'ADMIN')
    AND operation NOT IN ('declare', 'adjustDeclared', 'endDeclared', 'disown', 'import')
    AND (user_id = caller_id('user') AND role = caller_role()
        OR caller_id('user') IS NULL AND (
            decision <> 'allowed' AND reason = 'refused'
            OR starts_with(operation, 'get') OR starts_with(operation, 'list'))));
CREATE POLICY controller ON audit_log FOR INSERT TO CURRENT_USER WITH CHECK (
    user_id IS NULL AND role = 'CONTROLLER' AND operation IN ('declare', 'adjustDeclared', 'endDeclared', 'disown')
    AND object_kind = 'assignment' AND reason = 'role' AND decision = 'allowed');

-- The programs run during the migration. So the policies apply to their roles at once, where
-- those exist, and not only after EnsureRoles: the controller's role is that of its other
-- policies, and the server's is the other role that may add to the log.
-- +goose StatementBegin
DO $$
DECLARE
    controllers name[] := (SELECT roles FROM pg_policies WHERE schemaname = current_schema() AND tablename = 'assignments' AND policyname = 'controller');
    part record;
BEGIN
    FOR part IN
        SELECT CASE WHEN r.rolname = ANY(controllers) THEN 'controller' ELSE 'server' END AS policy,
            string_agg(DISTINCT quote_ident(r.rolname), ', ') AS roles
        FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) AS g JOIN pg_roles r ON r.oid = g.grantee
        WHERE a.attrelid = 'audit_log'::regclass AND a.attname = 'operation' AND g.privilege_type = 'INSERT'
        GROUP BY 1
    LOOP
        EXECUTE format('ALTER POLICY %I ON audit_log TO %s', part.policy, part.roles);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- A checkpoint must follow the last one, whoever adds it: otherwise one with a far number would be
-- the last for ever, and one with a far id would close the log to all rows before that id.
-- +goose StatementBegin
CREATE FUNCTION audit_follow_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last record;
BEGIN
    SELECT c.number, c.last_id INTO last FROM audit_checkpoints c ORDER BY c.number DESC LIMIT 1;
    IF NEW.number <> coalesce(last.number, 0) + 1 OR NEW.last_id < coalesce(last.last_id, 0)
        OR NEW.last_id > greatest(last.last_id, (SELECT max(l.id) FROM audit_log l), 0)
        OR (NEW.statement::json ->> 'number')::bigint IS DISTINCT FROM NEW.number
        OR (NEW.statement::json ->> 'up_to')::bigint IS DISTINCT FROM NEW.last_id
    THEN
        RAISE EXCEPTION 'the checkpoint does not follow the last one'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_checkpoints_follow';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_checkpoints_follow BEFORE INSERT ON audit_checkpoints FOR EACH ROW EXECUTE FUNCTION audit_follow_chain();

-- No temporary table can take the place of the tables that it reads.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_follow_chain() SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER audit_checkpoints_follow ON audit_checkpoints;
DROP FUNCTION audit_follow_chain;
DROP POLICY server ON audit_log;
DROP POLICY controller ON audit_log;
CREATE POLICY everybody_adds ON audit_log FOR INSERT WITH CHECK (true);
CREATE OR REPLACE VIEW callers_audit WITH (security_barrier = true) AS
SELECT l.id, l.at, l.user_id, l.role, l.operation, l.object_kind, l.object_id, l.reason, l.decision,
    nullif(l.assignment_ids[array_position(l.patient_ids, caller_id('patient'))], 0) AS assignment_id,
    u.username, u.first_name, u.last_name
FROM audit_log l
LEFT JOIN users u ON u.id = l.user_id AND (u.role <> 'PATIENT' OR u.id = caller_id('user'))
WHERE l.patient_ids @> ARRAY[caller_id('patient')];
