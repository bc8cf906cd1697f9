-- The caller's records that match a query, as search_records finds them: one row at least, without a record where the page is
-- empty. CommentsOfPage and HighlightsOfPage follow in the same batch, and find the page in a setting.
-- name: SearchRecords :many
WITH found AS MATERIALIZED (
    SELECT f.id::bigint AS id, f.rank::real AS rank, f.assignment_id::bigint AS assignment_id, f.emergency::boolean AS emergency,
        f.total::bigint AS total, f.complete::boolean AS complete, row_number() OVER () AS place
    FROM search_records(@terms::text[], @prefixes::boolean[], @exclusions::boolean[], @default_language, @record_types::text[], @patient_id, @since, @until,
        @beyond_rank, @beyond_date, @beyond_id, @back, @most) AS f (id, rank, assignment_id, emergency, total, complete)
)
SELECT coalesce(d.id, 0)::bigint AS id, coalesce(d.patient_id, 0)::bigint AS patient_id, coalesce(d.created_by, 0)::bigint AS created_by,
    coalesce(d.record_type, '')::text AS record_type, coalesce(d.title, '')::text AS title, coalesce(d.description, '')::text AS description,
    coalesce(d.symptoms, '')::text AS symptoms, coalesce(d.diagnosis, '')::text AS diagnosis, coalesce(d.treatment, '')::text AS treatment,
    coalesce(d.medications, '')::text AS medications, coalesce(d.visit_date, 'epoch')::timestamptz AS visit_date,
    coalesce(d.version, 0)::bigint AS version, coalesce(d.created_at, 'epoch')::timestamptz AS created_at,
    coalesce(d.updated_at, 'epoch')::timestamptz AS updated_at, coalesce(d.username, '')::text AS username, coalesce(d.email, '')::text AS email,
    coalesce(d.first_name, '')::text AS first_name, coalesce(d.last_name, '')::text AS last_name, coalesce(d.role, '')::text AS role,
    d.error_reason, d.language, coalesce(found.rank, 0)::real AS rank, found.total, found.complete,
    CASE WHEN d.id > 0 THEN d.patient_id END AS seen_patient, CASE WHEN found.assignment_id > 0 THEN found.assignment_id END AS seen_through,
    coalesce(found.emergency, false)::boolean AS seen_in_emergency, CASE WHEN d.id > 0 THEN d.id END AS seen_record
FROM found
LEFT JOIN LATERAL (SELECT r.* FROM record_details r WHERE r.id = found.id OFFSET 0) AS d ON true -- by the barrier, a join would read all
WHERE (SELECT set_config('healthrecords.page', ARRAY(SELECT found.id FROM found WHERE found.id IS NOT NULL)::text, true)) <> ''
ORDER BY found.place;

-- The texts of the page in which words of the query are, with marks around these words.
-- name: HighlightsOfPage :many
SELECT marked.record_id::bigint AS record_id, marked.comment_id::bigint AS comment_id, marked.field::text AS field, marked.plain::text AS plain
FROM (
    SELECT r.id AS record_id, 0::bigint AS comment_id, texts.field, texts.place,
        search_marks(coalesce(r.language, @default_language::text),
            (ARRAY[r.title, r.description, r.symptoms, r.diagnosis, r.treatment, r.medications])[texts.place], wanted.query) AS plain
    FROM unnest(nullif(current_setting('healthrecords.page', true), '')::bigint[]) AS page (id)
    CROSS JOIN LATERAL (SELECT d.* FROM record_details d WHERE d.id = page.id OFFSET 0) AS r
    CROSS JOIN LATERAL (SELECT search_query(coalesce(r.language, @default_language::text), @terms::text[], @prefixes::boolean[], @exclusions::boolean[], true) AS query OFFSET 0) AS wanted
    CROSS JOIN LATERAL unnest('{title,description,symptoms,diagnosis,treatment,medications}'::text[]) WITH ORDINALITY AS texts (field, place)
    UNION ALL
    SELECT r.id, c.id, 'doctor_comments', 0, search_marks(coalesce(r.language, @default_language::text), c.comment, wanted.query)
    FROM unnest(nullif(current_setting('healthrecords.page', true), '')::bigint[]) AS page (id)
    CROSS JOIN LATERAL (SELECT d.id, d.language FROM record_details d WHERE d.id = page.id OFFSET 0) AS r
    CROSS JOIN LATERAL (SELECT search_query(coalesce(r.language, @default_language::text), @terms::text[], @prefixes::boolean[], @exclusions::boolean[], true) AS query OFFSET 0) AS wanted
    CROSS JOIN LATERAL (SELECT d.id, d.comment FROM comment_details d WHERE d.record_id = r.id AND (@sees_private::boolean OR NOT d.is_private) OFFSET 0) AS c
) AS marked
WHERE marked.plain LIKE '%<%'
ORDER BY marked.record_id, marked.comment_id, marked.place;

-- Words like those that match none of the caller's records, from the latest of these records: from the beginnings of their texts
-- and of their latest comments, because whole ones took two seconds. A word of a private comment is for doctors.
-- name: SimilarWords :many
WITH missing AS MATERIALIZED (
    SELECT given.word, given.place, search_letters(search_text(given.word)) AS letters
    FROM unnest(@words::text[]) WITH ORDINALITY AS given (word, place)
    WHERE NOT EXISTS (
        SELECT FROM search_records(ARRAY[given.word], '{f}', '{f}', @default_language, @record_types::text[], 0, '-infinity', 'infinity',
            'infinity', 'infinity', 0, false, 1) AS f
        WHERE f.id IS NOT NULL)
), latest AS MATERIALIZED (
    SELECT l.id FROM latest_records(@most) AS l (id) WHERE EXISTS (SELECT FROM missing)
), texts AS (
    SELECT concat_ws(' ', r.title, left(r.description, 1000), left(r.symptoms, 1000), left(r.diagnosis, 1000), left(r.treatment, 1000),
        left(r.medications, 1000)) AS plain
    FROM latest CROSS JOIN LATERAL (SELECT h.* FROM health_records h WHERE h.id = latest.id OFFSET 0) AS r
    UNION ALL
    SELECT left(c.comment, 1000)
    FROM latest CROSS JOIN LATERAL (
        SELECT d.comment FROM doctor_comments d
        WHERE d.record_id = latest.id AND (@sees_private::boolean OR NOT d.is_private) ORDER BY d.id DESC LIMIT 10
    ) AS c
), words AS MATERIALIZED (
    SELECT w.word, search_letters(w.word) AS letters, count(*) AS uses
    FROM texts CROSS JOIN LATERAL string_to_table(search_text(texts.plain), ' ') AS w (word)
    WHERE length(w.word) > 2
    GROUP BY w.word
)
SELECT missing.word::text AS word, near.word::text AS similar_word
FROM missing CROSS JOIN LATERAL (
    SELECT one.word, one.likeness, one.uses
    FROM (SELECT w.word, search_likeness(w.letters, missing.letters) AS likeness, w.uses FROM words w OFFSET 0) AS one
    WHERE one.likeness >= 0.3
    ORDER BY one.likeness DESC, one.uses DESC, one.word LIMIT 3
) AS near
ORDER BY missing.place, near.likeness DESC, near.uses DESC, near.word;

-- name: IndexPendingRecords :one
SELECT index_pending_records(@most, @default_language)::bigint AS taken;

-- name: ReindexRecords :one
SELECT reindex_records(@most, @default_language)::bigint AS indexed;

-- name: SearchState :one
SELECT s.pending::bigint AS pending, coalesce(extract(epoch FROM now() - s.oldest), 0)::float8 AS oldest_seconds,
    s.next_id::bigint AS next_id, s.last_id::bigint AS last_id, s.indexed::bigint AS indexed,
    (s.finished_at IS NOT NULL)::boolean AS finished, s.filled::boolean AS filled
FROM search_state() AS s;

-- By the owner: the run begins again.
-- name: StartReindex :exec
UPDATE search_reindex SET next_id = 0, last_id = coalesce((SELECT max(r.id) FROM health_records r), 0), indexed = 0, started_at = now(), finished_at = NULL;
