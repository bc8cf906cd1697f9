-- A statement that answers a caller's read names in each row the patient whose data it
-- shows, the assignment, and whether the access is an emergency's: the audit row
-- is made from these three columns, see audit_reads.go.
--
-- Lists the records that the caller may read. Only the first N patients, in the order of
-- their first records, can have a record among the first N of all. So the page
-- is searched among at most N patients (@depth), N records of each. order.go
-- rewrites the marks /*...*/ for the other orders, and for the records that are deleted. Without a period (@dated), counts are kept;
-- with one, at most @count_up_to of its records are counted, whatever their types.
-- CommentsOfPage follows in the same batch, and finds the page in a setting.
-- name: ListRecords :many
WITH patients AS MATERIALIZED (
    SELECT a.patient_id, coalesce(min(a.assignment_id) FILTER (WHERE NOT a.emergency), min(a.assignment_id)) AS assignment_id,
        bool_and(a.emergency) AS emergency
    FROM patient_access a
    WHERE a.user_id = @caller AND (@patient_id::bigint = 0 OR a.patient_id = @patient_id)
    GROUP BY a.patient_id
), heads AS (
    SELECT p.patient_id, p.assignment_id, p.emergency
    FROM patients p CROSS JOIN LATERAL (
        SELECT r.id, r.visit_date/*key*/ AS sort_key FROM health_records/*records*/ r
        WHERE r.patient_id = p.patient_id AND r.record_type = ANY (@record_types::text[])
            AND (r.visit_date >= @since AND r.visit_date < @until)/*range*/
            AND (r.visit_date/*key*/, r.id) </*beyond*/ (@beyond_key::timestamptz, @beyond_id::bigint)
        ORDER BY r.visit_date/*key*/ DESC/*order*/, r.id DESC/*order*/ LIMIT 1
    ) AS head
    ORDER BY head.sort_key DESC/*order*/, head.id DESC/*order*/ LIMIT @depth
), page AS (
    SELECT found.id, found.sort_key, heads.assignment_id, heads.emergency
    FROM heads CROSS JOIN LATERAL (
        SELECT r.id, r.visit_date/*key*/ AS sort_key FROM health_records/*records*/ r
        WHERE r.patient_id = heads.patient_id AND r.record_type = ANY (@record_types::text[])
            AND (r.visit_date >= @since AND r.visit_date < @until)/*range*/
            AND (r.visit_date/*key*/, r.id) </*beyond*/ (@beyond_key, @beyond_id)
        ORDER BY r.visit_date/*key*/ DESC/*order*/, r.id DESC/*order*/ LIMIT @depth
    ) AS found
    ORDER BY found.sort_key DESC/*order*/, found.id DESC/*order*/ LIMIT @most OFFSET @skip
), kept AS (
    SELECT coalesce(sum(of_patient.records), 0)::bigint AS records
    FROM patients p CROSS JOIN LATERAL (
        SELECT sum(c.records) AS records FROM callers_record_counts c
        WHERE c.patient_id = p.patient_id AND c.record_type = ANY (@record_types::text[])
    ) AS of_patient
    WHERE NOT @dated::boolean
), found AS (
    SELECT (of_patient.record_type = ANY (@record_types))::boolean AS fits
    FROM patients p CROSS JOIN LATERAL (
        SELECT t.record_type FROM callers_records/*records*/ t
        WHERE t.patient_id = p.patient_id AND t.visit_date >= @since AND t.visit_date < @until LIMIT @count_up_to::bigint
    ) AS of_patient
    WHERE @dated LIMIT @count_up_to::bigint
)
SELECT d.id, d.patient_id, d.created_by, d.record_type, d.title, d.description, d.symptoms, d.diagnosis, d.treatment,
    d.medications, d.visit_date, d.version, d.created_at, d.updated_at, d.username, d.email, d.first_name, d.last_name, d.role,
    d.error_reason, d.language, d.deleted_at,
    (SELECT kept.records + (SELECT count(*) FROM found WHERE found.fits) FROM kept)::bigint AS total,
    ((SELECT count(*) FROM found) = @count_up_to)::boolean AS total_is_lower_bound,
    d.patient_id AS seen_patient, page.assignment_id AS seen_through, page.emergency::boolean AS seen_in_emergency
FROM page
CROSS JOIN LATERAL (SELECT r.* FROM record_details/*records*/ r WHERE r.id = page.id OFFSET 0) AS d -- by the barrier, a join would read all
WHERE (SELECT set_config('healthrecords.page', ARRAY(SELECT page.id FROM page)::text, true)) <> ''
ORDER BY page.sort_key DESC/*order*/, page.id DESC/*order*/;

-- name: CountRecords :one
WITH patients AS MATERIALIZED (
    SELECT DISTINCT a.patient_id FROM patient_access a
    WHERE a.user_id = @caller AND (@patient_id::bigint = 0 OR a.patient_id = @patient_id)
), kept AS (
    SELECT coalesce(sum(of_patient.records), 0)::bigint AS records
    FROM patients p CROSS JOIN LATERAL (
        SELECT sum(c.records) AS records FROM callers_record_counts c
        WHERE c.patient_id = p.patient_id AND c.record_type = ANY (@record_types::text[])
    ) AS of_patient
    WHERE NOT @dated::boolean
), found AS (
    SELECT (of_patient.record_type = ANY (@record_types))::boolean AS fits
    FROM patients p CROSS JOIN LATERAL (
        SELECT t.record_type FROM callers_records/*records*/ t
        WHERE t.patient_id = p.patient_id AND t.visit_date >= @since AND t.visit_date < @until LIMIT @count_up_to::bigint
    ) AS of_patient
    WHERE @dated LIMIT @count_up_to::bigint
)
SELECT (SELECT kept.records + (SELECT count(*) FROM found WHERE found.fits) FROM kept)::bigint AS total,
    ((SELECT count(*) FROM found) = @count_up_to)::boolean AS total_is_lower_bound;

-- name: GetRecord :one
SELECT sqlc.embed(r), (set_config('healthrecords.page', '{' || r.id || '}', true) <> '')::boolean AS for_comments,
    r.patient_id AS seen_patient, seen.assignment_id AS seen_through, seen.emergency::boolean AS seen_in_emergency
FROM record_details/*records*/ r
JOIN LATERAL (
    SELECT a.assignment_id, a.emergency FROM patient_access a
    WHERE a.user_id = @caller AND a.patient_id = r.patient_id ORDER BY a.emergency, a.assignment_id LIMIT 1
) AS seen ON true
WHERE r.id = @id;

-- name: CheckRecord :one
SELECT a.patient_id, a.assignment_id, a.emergency::boolean AS emergency
FROM health_records r JOIN patient_access a ON a.patient_id = r.patient_id
WHERE r.id = @id AND a.user_id = @caller
ORDER BY a.emergency, a.assignment_id LIMIT 1;

-- One of the calling patient's. The lock waits for comments that are being added, so that CommentsOfPage, the next statement
-- of the batch, finds them.
-- name: LockRecord :one
SELECT r.id, r.patient_id, r.created_by, r.record_type, r.title, r.description, r.symptoms, r.diagnosis, r.treatment,
    r.medications, r.visit_date, r.version, r.created_at, r.updated_at, u.username, u.email, u.first_name, u.last_name, u.role,
    r.error_reason, r.language, NULL::timestamptz AS deleted_at
FROM health_records r JOIN users u ON u.id = r.created_by
WHERE r.id = @id AND r.patient_id = caller_id('patient') AND set_config('healthrecords.page', '{' || r.id || '}', true) <> ''
FOR UPDATE OF r;

-- A patient's, with its event and its audit row: a transaction of this statement alone is whole.
-- name: InsertRecord :one
WITH record AS (
    INSERT INTO health_records (patient_id, created_by, record_type, title, description, symptoms, diagnosis,
        treatment, medications, visit_date, language)
    VALUES (caller_id('patient'), @caller, @record_type, @title, @description, @symptoms, @diagnosis,
        @treatment, @medications, @visit_date, @language)
    RETURNING *
), event AS (
    INSERT INTO outbox (type, patient_id, record_id) SELECT 'record.created', patient_id, id FROM record
), audited AS (
    INSERT INTO audit_log (user_id, role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision,
        request_id, address)
    SELECT caller_id('user'), @role, @operation, 'record', record.id, ARRAY[record.patient_id], '{0}', @reason, @decision, @request_id, @address
    FROM record
)
SELECT record.id, record.patient_id, record.visit_date, record.version, record.created_at, record.updated_at,
    creator.username, creator.email, creator.first_name, creator.last_name, creator.role
FROM record JOIN accounts creator ON creator.id = record.created_by;

-- Of a locked record of the calling patient, with its audit row.
-- name: UpdateRecord :one
WITH record AS (
    UPDATE health_records h
    SET record_type = @record_type, title = @title, description = @description, symptoms = @symptoms,
        diagnosis = @diagnosis, treatment = @treatment, medications = @medications, visit_date = @visit_date,
        language = @language, error_reason = @error_reason, version = version + 1, updated_at = now()
    WHERE h.id = @id
    RETURNING h.id, h.patient_id, h.visit_date, h.version, h.updated_at
), audited AS (
    INSERT INTO audit_log (user_id, role, operation, object_kind, object_id, patient_ids, assignment_ids, reason, decision,
        request_id, address)
    SELECT caller_id('user'), @role, @operation, 'record', record.id, ARRAY[record.patient_id], '{0}', @reason, @decision, @request_id, @address
    FROM record
)
SELECT record.visit_date, record.version, record.updated_at FROM record;

-- name: DeleteRecord :execrows
DELETE FROM health_records WHERE id = @id AND patient_id = @patient_id;

-- The page is read in the order of an index, which has the doctor's patients, and ends with
-- the page. last_visit has no meaning for a patient without records.
-- name: ListPatientsOfDoctor :many
WITH page AS (
    SELECT a.patient_id AS id, coalesce(min(a.id) FILTER (WHERE a.source IS DISTINCT FROM 'break_glass'), min(a.id)) AS assignment_id,
        bool_and(a.source = 'break_glass') AS emergency
    FROM active_assignments a
    WHERE a.doctor_id = (SELECT d.id FROM doctor_profiles d WHERE d.user_id = @caller) AND a.patient_id >/*beyond*/ @beyond_id::bigint
    GROUP BY a.patient_id ORDER BY a.patient_id ASC/*order*/ LIMIT @most OFFSET @skip
)
SELECT sqlc.embed(p), sqlc.embed(account),
    coalesce((
        SELECT r.visit_date FROM health_records r WHERE r.patient_id = p.id ORDER BY r.visit_date DESC LIMIT 1
    ), 'epoch')::timestamptz AS last_visit,
    (SELECT coalesce(sum(c.records), 0) FROM record_counts c WHERE c.patient_id = p.id)::bigint AS total_records,
    counted.patients::bigint AS total, counted.is_lower_bound::boolean AS total_is_lower_bound,
    p.id AS seen_patient, page.assignment_id AS seen_through, page.emergency::boolean AS seen_in_emergency
FROM page
CROSS JOIN callers_patients_counted(@count_up_to::bigint) AS counted
JOIN patient_profiles p ON p.id = page.id
JOIN accounts account ON account.id = p.user_id
ORDER BY page.id ASC/*order*/;

-- name: CountPatientsOfDoctor :one
SELECT counted.patients::bigint AS total, counted.is_lower_bound::boolean AS total_is_lower_bound FROM callers_patients_counted(@count_up_to::bigint) AS counted;
