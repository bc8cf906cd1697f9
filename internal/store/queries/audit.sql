-- The audit row of a request, alone.
-- name: InsertAudit :exec
INSERT INTO audit_log (user_id, role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision, request_id, address, record_ids)
VALUES (@user_id, @role, @operation, @object_kind, @object_id, @patient_ids, @assignment_ids, @reason, @decision, @request_id, @address, @record_ids);

-- The audit rows of reads, one at each index. Arrays are texts, because their lengths differ.
-- name: InsertAudits :exec
INSERT INTO audit_log (user_id, role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision, request_id, address, record_ids)
SELECT r.user_id, r.role, r.operation, r.object_kind, nullif(r.object_id, 0), r.patient_ids::bigint[], r.assignment_ids::bigint[],
    r.reason, r.decision, r.request_id, nullif(r.address, '')::inet, nullif(r.record_ids, '')::bigint[]
FROM (
    SELECT unnest(@user_ids::bigint[]) AS user_id, unnest(@roles::text[]) AS role, unnest(@operations::text[]) AS operation,
        unnest(@object_kinds::text[]) AS object_kind, unnest(@object_ids::bigint[]) AS object_id,
        unnest(@patient_ids::text[]) AS patient_ids, unnest(@assignment_ids::text[]) AS assignment_ids,
        unnest(@reasons::text[]) AS reason, unnest(@decisions::text[]) AS decision,
        unnest(@request_ids::text[]) AS request_id, unnest(@addresses::text[]) AS address,
        unnest(@record_ids::text[]) AS record_ids
) AS r;

-- name: PrepareAuditMonths :exec
SELECT audit_prepare_months();

-- The newest row, and a transaction's id that is greater than that of every
-- transaction which drew an id up to the row's.
-- name: AuditBound :one
WITH newest AS MATERIALIZED (
    SELECT l.id, encode(timestamptz_send(l.at), 'hex') AS at FROM audit_log l WHERE l.id > @closed::bigint ORDER BY l.id DESC LIMIT 1
)
SELECT newest.id, newest.at::text AS at, pg_current_xact_id()::text::numeric::bigint AS transaction FROM newest;

-- Whether every transaction with an id below the bound's has ended, and whether the bound
-- comes from this history of the database: a restore, or a failover that loses rows,
-- takes back the row or the transaction ids, and others get the same ids.
-- name: AuditSettled :one
SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::numeric::bigint >= @transaction::bigint)::boolean AS settled,
    (pg_snapshot_xmax(pg_current_snapshot())::text::numeric::bigint > @transaction::bigint
        AND EXISTS (SELECT FROM audit_log l WHERE l.id = @id AND encode(timestamptz_send(l.at), 'hex') = @at::text))::boolean AS known;

-- The age of the oldest row that no checkpoint covers.
-- name: OldestUnsealed :one
SELECT coalesce(extract(epoch FROM now() - (
    SELECT l.at FROM audit_log l
    WHERE l.id > coalesce((SELECT c.last_id FROM audit_checkpoints c ORDER BY c.number DESC LIMIT 1), 0)
    ORDER BY l.id LIMIT 1
)), 0)::float8 AS seconds;

-- Only one sealer or retention runs at a time.
-- name: LockAuditChain :exec
SELECT pg_advisory_xact_lock(hashtextextended('healthrecords.audit.chain', 0));

-- name: LastCheckpoint :one
SELECT number, last_id, statement, signature FROM audit_checkpoints ORDER BY number DESC LIMIT 1;

-- name: InsertCheckpoint :exec
INSERT INTO audit_checkpoints (number, last_id, statement, signature, row_ids, digests)
VALUES (@number, @last_id, @statement, @signature, @row_ids, @digests);

-- name: Checkpoints :many
SELECT number, last_id, statement, signature, row_ids, digests FROM audit_checkpoints
WHERE number > @beyond ORDER BY number LIMIT @most;

-- name: CheckpointStatements :many
SELECT number, last_id, statement, signature FROM audit_checkpoints
WHERE number > @beyond ORDER BY number LIMIT @most;

-- Statements of retention, which are few. They are not read as JSON here: a statement that
-- is no JSON is found by the verification.
-- name: DropCheckpoints :many
SELECT number, last_id, statement, signature, row_ids, digests FROM audit_checkpoints
WHERE statement LIKE '%"kind":"drop"%' ORDER BY number;

-- name: CountAuditRows :one
SELECT count(*) FROM audit_log WHERE id > @beyond;

-- name: ForgetDigests :exec
UPDATE audit_checkpoints SET row_ids = NULL, digests = NULL WHERE number = ANY(@numbers::bigint[]);

-- As text, for rows that cannot be read with their types. A row that is not of a search has the text of former releases, which
-- know no record_ids.
-- name: RawAuditRows :many
SELECT l.id, (to_jsonb(l) - CASE WHEN l.record_ids IS NULL THEN 'record_ids' ELSE '' END)::text AS raw
FROM audit_log l WHERE l.id >= @first AND l.id <= @up_to ORDER BY l.id, l.at LIMIT @most;

-- An array that does not begin at 1, or has arrays in it, has the same elements and
-- another meaning, since patients and assignments are paired by their places; and 0 is
-- read as NULL is. No program writes such a row, so the statement makes it unreadable.
-- name: AuditRows :many
SELECT id, at, user_id, role, operation, object_kind, object_id,
    (CASE WHEN array_lower(patient_ids, 1) <> 1 OR array_ndims(patient_ids) > 1 OR user_id = 0 OR object_id = 0
        THEN '{NULL}' ELSE patient_ids END)::bigint[] AS patient_ids,
    (CASE WHEN array_lower(assignment_ids, 1) <> 1 OR array_ndims(assignment_ids) > 1
        THEN '{NULL}' ELSE assignment_ids END)::bigint[] AS assignment_ids,
    reason, decision, request_id, address,
    (CASE WHEN array_lower(record_ids, 1) <> 1 OR array_ndims(record_ids) > 1 THEN '{NULL}' ELSE record_ids END)::bigint[] AS record_ids
FROM audit_log WHERE id >= @first AND id <= @up_to ORDER BY id LIMIT @most;

-- The page that administrators see, each person by the name at that time. A missing filter
-- does not narrow the page. The audit row of the reading names the patient of the filter.
-- One part of the page runs: all rows of the patient, by an index without an order,
-- those of the user, or the log.
-- name: ListAudit :many
WITH of_patient AS MATERIALIZED (
    SELECT l.id, l.at, l.user_id, l.operation, l.decision FROM audit_entries l
    WHERE l.patient_ids @> ARRAY[sqlc.narg('patient_id')::bigint]
), page AS (
    (SELECT l.id, l.at FROM of_patient l
     WHERE sqlc.narg('patient_id')::bigint IS NOT NULL AND (@user_id::bigint = 0 OR l.user_id = @user_id)
        AND l.id < @beyond_id AND l.at >= @since AND l.at < @until
        AND (@operation::text = '' OR l.operation = @operation) AND (@decision::text = '' OR l.decision = @decision)
     ORDER BY l.id DESC LIMIT @most)
    UNION ALL
    (SELECT l.id, l.at FROM audit_entries l
     WHERE sqlc.narg('patient_id')::bigint IS NULL AND @user_id <> 0 AND l.user_id = @user_id
        AND l.id < @beyond_id AND l.at >= @since AND l.at < @until
        AND (@operation = '' OR l.operation = @operation) AND (@decision = '' OR l.decision = @decision)
     ORDER BY l.id DESC LIMIT @most)
    UNION ALL
    (SELECT l.id, l.at FROM audit_entries l
     WHERE sqlc.narg('patient_id')::bigint IS NULL AND @user_id = 0
        AND l.id < @beyond_id AND l.at >= @since AND l.at < @until
        AND (@operation = '' OR l.operation = @operation) AND (@decision = '' OR l.decision = @decision)
     ORDER BY l.id DESC LIMIT @most)
)
SELECT sqlc.embed(l), coalesce(u.username, '')::text AS username, coalesce(u.first_name, '')::text AS first_name,
    coalesce(u.last_name, '')::text AS last_name, u.license_number,
    CASE WHEN sqlc.narg('patient_id')::bigint > 0 THEN sqlc.narg('patient_id')::bigint END AS seen_patient, NULL::bigint AS seen_through, false AS seen_in_emergency
FROM page JOIN audit_entries l ON l.id = page.id AND l.at = page.at
LEFT JOIN LATERAL known_as(l.user_id, l.at) AS u ON true
ORDER BY l.id DESC;

-- The page that a patient sees: of a row about several patients, their own part. LIMIT 1 makes
-- Postgres look up the assignments; for a patient with many rows it would hash them all.
-- name: ListAccessLog :many
WITH page AS (
    SELECT l.id, l.at, l.user_id, l.role, l.operation, l.object_kind, l.object_id, l.decision, l.assignment_id, l.reason,
        l.controllers_request
    FROM callers_audit l WHERE l.id < @beyond_id ORDER BY l.id DESC LIMIT @most
)
SELECT page.id, page.at, page.user_id, page.role, page.operation, page.object_kind,
    coalesce(page.object_id, 0)::bigint AS object_id, page.decision,
    coalesce(w.username, '')::text AS username, coalesce(w.first_name, '')::text AS first_name,
    coalesce(w.last_name, '')::text AS last_name, w.license_number,
    coalesce(page.assignment_id, 0)::bigint AS assignment_id, coalesce(a.source, '')::text AS source, coalesce(a.reason, '')::text AS purpose, page.reason,
    coalesce(page.controllers_request, '')::text AS controllers_request,
    p.id AS seen_patient, NULL::bigint AS seen_through, false AS seen_in_emergency
FROM page
JOIN patient_profiles p ON p.user_id = @caller
LEFT JOIN LATERAL who_looked(page.id, page.at) AS w ON true
LEFT JOIN LATERAL (
    SELECT one.source, one.reason FROM assignments one WHERE one.id = page.assignment_id AND one.patient_id = p.id LIMIT 1
) AS a ON true
ORDER BY page.id DESC;
