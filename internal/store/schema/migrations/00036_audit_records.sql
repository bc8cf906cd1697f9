-- +goose Up

-- Whoever reads the view locks it first, and then the table: so does this.
LOCK TABLE audit_entries IN ACCESS EXCLUSIVE MODE;
-- The records that a search has shown; null for every other row. The row of a search is written with those of other reads,
-- without a caller. docs/adr/0014-search.md says what this means for the digests of rows.
ALTER TABLE audit_log ADD COLUMN record_ids bigint[];
ALTER POLICY server ON audit_log WITH CHECK (
    user_id IS NOT NULL AND role IN ('PATIENT', 'DOCTOR', 'ADMIN')
    AND operation NOT IN ('declare', 'adjustDeclared', 'endDeclared', 'disown', 'import')
    AND (user_id = caller_id('user') AND role = caller_role()
        OR caller_id('user') IS NULL AND (
            decision <> 'allowed' AND reason = 'refused'
            OR starts_with(operation, 'get') OR starts_with(operation, 'list') OR operation = 'searchRecords')));
CREATE OR REPLACE VIEW audit_entries AS SELECT l.* FROM audit_log l WHERE (SELECT caller_role()) = 'ADMIN';

-- +goose Down
LOCK TABLE audit_entries IN ACCESS EXCLUSIVE MODE;
DROP VIEW audit_entries;
ALTER POLICY server ON audit_log WITH CHECK (
    user_id IS NOT NULL AND role IN ('PATIENT', 'DOCTOR', 'ADMIN')
    AND operation NOT IN ('declare', 'adjustDeclared', 'endDeclared', 'disown', 'import')
    AND (user_id = caller_id('user') AND role = caller_role()
        OR caller_id('user') IS NULL AND (
            decision <> 'allowed' AND reason = 'refused'
            OR starts_with(operation, 'get') OR starts_with(operation, 'list'))));
ALTER TABLE audit_log DROP COLUMN record_ids;
CREATE VIEW audit_entries AS SELECT l.* FROM audit_log l WHERE (SELECT caller_role()) = 'ADMIN';
