-- Imports write one after the other: two with the same people would make
-- them twice or deadlock. An import adds history, and nobody is notified of its assignments.
-- name: LockImport :exec
SELECT pg_advisory_xact_lock(hashtextextended('healthrecords.import', 0)), set_config('healthrecords.silent', 'on', true);

-- name: ImportedPatients :many
SELECT id, user_id, source_id::text AS source_id FROM patient_profiles WHERE source_id = ANY(@source_ids::text[]);

-- The identities under which an earlier import made another patient: the date of birth differs,
-- and the patient never had that name. Either alone may be a correction or a new name.
-- name: OtherPatients :many
SELECT given.source_id::text
FROM (
    SELECT unnest(@source_ids::text[]) AS source_id, unnest(@first_names::text[]) AS first_name, unnest(@last_names::text[]) AS last_name,
        unnest(@dates_of_birth::text[]) AS date_of_birth -- ISO 8601, '' for none
) AS given
JOIN patient_profiles p ON p.source_id = given.source_id
WHERE p.date_of_birth <> nullif(given.date_of_birth, '')::date
    AND NOT EXISTS (
        SELECT FROM name_versions v
        WHERE v.user_id = p.user_id AND lower(v.first_name) = lower(given.first_name) AND lower(v.last_name) = lower(given.last_name)
    );

-- name: ImportedDoctors :many
SELECT id, user_id, source_id::text AS source_id FROM doctor_profiles WHERE source_id = ANY(@source_ids::text[]);

-- The places, from 1, of those license numbers that an account has, or that
-- occur earlier in the list: a user who registered under a false one must not become the
-- imported doctor.
-- name: HeldLicenses :many
SELECT given.place::bigint
FROM (
    SELECT n.place, n.number, row_number() OVER (PARTITION BY license_key(n.number) ORDER BY n.place) AS turn
    FROM unnest(@license_numbers::text[]) WITH ORDINALITY AS n (number, place)
) AS given
WHERE given.turn > 1
    OR EXISTS (SELECT FROM doctor_profiles d WHERE license_key(d.license_number) = license_key(given.number) AND NOT d.license_twin);

-- The places, from 1, of those usernames that an account has, or that occur earlier in
-- the list: a user who registered under one must not keep the others of the bundle out.
-- name: HeldUsernames :many
SELECT given.place::bigint
FROM (
    SELECT n.place, n.username, row_number() OVER (PARTITION BY lower(n.username) ORDER BY n.place) AS turn
    FROM unnest(@usernames::text[]) WITH ORDINALITY AS n (username, place)
) AS given
WHERE given.turn > 1 OR EXISTS (SELECT FROM users u WHERE lower(u.username) = lower(given.username));

-- name: InsertImportedPatients :many
WITH input AS (
    SELECT unnest(@source_ids::text[]) AS source_id,
        unnest(@usernames::text[]) AS username,
        unnest(@password_hashes::text[]) AS password_hash,
        unnest(@emails::text[]) AS email,
        unnest(@first_names::text[]) AS first_name,
        unnest(@last_names::text[]) AS last_name,
        unnest(@phone_numbers::text[]) AS phone_number,
        unnest(@dates_of_birth::text[]) AS date_of_birth, -- ISO 8601, '' for none
        unnest(@addresses::text[]) AS address,
        unnest(@emergency_contacts::text[]) AS emergency_contact
), made AS (
    INSERT INTO users (username, email, first_name, last_name, phone_number, role, password_hash)
    SELECT username, email, first_name, last_name, phone_number, 'PATIENT', password_hash FROM input
    RETURNING id, username
)
INSERT INTO patient_profiles (user_id, date_of_birth, address, emergency_contact, source_id)
SELECT made.id, nullif(input.date_of_birth, '')::date, input.address, input.emergency_contact, input.source_id
FROM made JOIN input ON input.username = made.username
RETURNING id, user_id, source_id::text AS source_id;

-- name: InsertImportedDoctors :many
WITH input AS (
    SELECT unnest(@source_ids::text[]) AS source_id,
        unnest(@usernames::text[]) AS username,
        unnest(@password_hashes::text[]) AS password_hash,
        unnest(@emails::text[]) AS email,
        unnest(@first_names::text[]) AS first_name,
        unnest(@last_names::text[]) AS last_name,
        unnest(@phone_numbers::text[]) AS phone_number,
        unnest(@specializations::text[]) AS specialization,
        unnest(@license_numbers::text[]) AS license_number,
        unnest(@verified::boolean[]) AS verified
), made AS (
    INSERT INTO users (username, email, first_name, last_name, phone_number, role, password_hash)
    SELECT username, email, first_name, last_name, phone_number, 'DOCTOR', password_hash FROM input
    RETURNING id, username
)
INSERT INTO doctor_profiles (user_id, specialization, license_number, verified_at, source_id)
SELECT made.id, input.specialization, input.license_number, CASE WHEN input.verified THEN now() END, input.source_id
FROM made JOIN input ON input.username = made.username
RETURNING id, user_id, source_id::text AS source_id;

-- Returns the rows that it made or changed: rows whose source is unchanged are
-- not touched. No event is written: this is history, and nobody waits for it.
-- name: ImportRecords :many
INSERT INTO health_records AS r (patient_id, created_by, record_type, title, description, symptoms, diagnosis,
    treatment, medications, visit_date, source_id, source_digest)
SELECT unnest(@patient_ids::bigint[]), unnest(@authors::bigint[]), unnest(@record_types::text[]),
    unnest(@titles::text[]), unnest(@descriptions::text[]), unnest(@symptoms::text[]), unnest(@diagnoses::text[]),
    unnest(@treatments::text[]), unnest(@medications::text[]), unnest(@visit_dates::timestamptz[]),
    unnest(@source_ids::text[]), unnest(@source_digests::bytea[])
ON CONFLICT (patient_id, source_id) WHERE source_id IS NOT NULL DO UPDATE
SET record_type = regexp_replace(r.record_type, '[^:]*$', excluded.record_type), -- one that was entered in error stays so
    title = excluded.title, description = excluded.description,
    symptoms = excluded.symptoms, diagnosis = excluded.diagnosis, treatment = excluded.treatment,
    medications = excluded.medications, visit_date = excluded.visit_date, source_digest = excluded.source_digest,
    version = r.version + 1, updated_at = now()
WHERE r.source_digest IS DISTINCT FROM excluded.source_digest
RETURNING split_part(r.record_type, ':', -1)::text AS record_type, (r.version = 1)::boolean AS created;

-- In the order of LockDoctor's rule.
-- name: LockDoctors :exec
SELECT FROM doctor_profiles WHERE id = ANY(@ids::bigint[]) ORDER BY id FOR NO KEY UPDATE;

-- An assignment that was ended is not made again: it was ended on purpose.
-- An unverified doctor cannot be assigned.
-- name: AssignCareTeam :execrows
INSERT INTO assignment_claims (patient_id, doctor_id, source, reason, starts_at)
SELECT pair.patient_id, pair.doctor_id, 'rest', @reason, statement_timestamp()
FROM (SELECT unnest(@patient_ids::bigint[]) AS patient_id, unnest(@doctor_ids::bigint[]) AS doctor_id) AS pair
JOIN doctor_profiles d ON d.id = pair.doctor_id AND d.verified_at IS NOT NULL
JOIN users u ON u.id = d.user_id AND u.active
WHERE NOT EXISTS (
    SELECT FROM assignments a
    WHERE a.patient_id = pair.patient_id AND a.doctor_id = pair.doctor_id AND a.source IS DISTINCT FROM 'break_glass'
)
ON CONFLICT DO NOTHING;

-- Active accounts that an import made and whose password was never set: an import makes none.
-- With @keep, those that have a valid code are left out. For EXISTS, Postgres would read all
-- profiles for each page.
-- name: AccountsWithoutPassword :many
SELECT u.id, u.username FROM users u
WHERE u.id > @after AND u.active AND u.credentials_version = 1
    AND ((SELECT p.source_id FROM patient_profiles p WHERE p.user_id = u.id) IS NOT NULL
        OR (SELECT d.source_id FROM doctor_profiles d WHERE d.user_id = u.id) IS NOT NULL)
    AND NOT (@keep::boolean AND coalesce((SELECT c.expires_at > now() FROM reset_codes c WHERE c.user_id = u.id), false))
ORDER BY u.id LIMIT @most;
