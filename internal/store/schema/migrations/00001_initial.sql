-- +goose Up

-- btree_gist lets an exclusion constraint compare ids for equality; it is a
-- trusted extension, so the owner of the database may create it.
CREATE EXTENSION IF NOT EXISTS btree_gist;
-- pg_trgm, trusted too, finds a part of a name by an index: in 0.2 ms instead of
-- 176 ms among 100,000 users.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY,
    username      text        NOT NULL,
    email         text        NOT NULL DEFAULT '',
    first_name    text        NOT NULL DEFAULT '',
    last_name     text        NOT NULL DEFAULT '',
    phone_number  text        NOT NULL DEFAULT '',
    role          text        NOT NULL,
    password_hash text        NOT NULL, -- argon2id in PHC string format
    active        boolean     NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    -- the profiles refer to both columns, so that a profile fits its user's role
    -- and the role of a user with a profile cannot change
    CONSTRAINT users_id_role_key UNIQUE (id, role),
    CONSTRAINT users_role_known CHECK (role IN ('PATIENT', 'DOCTOR', 'ADMIN')),
    CONSTRAINT users_username_valid CHECK (username ~ '^[A-Za-z0-9_.@+-]{1,150}$'),
    CONSTRAINT users_email_length CHECK (char_length(email) <= 254),
    CONSTRAINT users_first_name_length CHECK (char_length(first_name) <= 150),
    CONSTRAINT users_last_name_length CHECK (char_length(last_name) <= 150),
    CONSTRAINT users_phone_number_length CHECK (char_length(phone_number) <= 20)
);
-- Jane and jane are one name: no user can pose as another by changing case.
CREATE UNIQUE INDEX users_username_key ON users (lower(username) text_pattern_ops);

CREATE INDEX users_search_idx ON users USING gin ((first_name || ' ' || last_name || ' ' || username) gin_trgm_ops);
-- the directory reads the active doctors only
CREATE INDEX users_doctors_idx ON users (id) INCLUDE (active) WHERE role = 'DOCTOR';

-- The columns of a user that may be read: all but the password hash.
CREATE VIEW accounts AS
SELECT id, username, email, first_name, last_name, role, phone_number, active, created_at FROM users;

CREATE TABLE doctor_profiles (
    id                  bigint GENERATED ALWAYS AS IDENTITY,
    user_id             bigint  NOT NULL,
    role                text    NOT NULL DEFAULT 'DOCTOR',
    specialization      text    NOT NULL,
    license_number      text    NOT NULL,
    years_of_experience integer NOT NULL DEFAULT 0,
    verified_at         timestamptz, -- null: sees no patient and cannot be assigned
    source_id           text, -- identity in the system it was imported from; an import finds the doctor again by this
    CONSTRAINT doctor_profiles_pkey PRIMARY KEY (id),
    CONSTRAINT doctor_profiles_user_id_key UNIQUE (user_id),
    CONSTRAINT doctor_profiles_license_number_key UNIQUE (license_number),
    CONSTRAINT doctor_profiles_source_id_key UNIQUE (source_id),
    CONSTRAINT doctor_profiles_role_agrees CHECK (role = 'DOCTOR'),
    CONSTRAINT doctor_profiles_user_fkey FOREIGN KEY (user_id, role) REFERENCES users (id, role) ON DELETE CASCADE,
    CONSTRAINT doctor_profiles_specialization_length CHECK (char_length(specialization) <= 150),
    CONSTRAINT doctor_profiles_license_number_length CHECK (char_length(license_number) BETWEEN 1 AND 50),
    CONSTRAINT doctor_profiles_years_range CHECK (years_of_experience BETWEEN 0 AND 80),
    CONSTRAINT doctor_profiles_source_id_length CHECK (char_length(source_id) BETWEEN 1 AND 200)
);

CREATE TABLE patient_profiles (
    id                bigint GENERATED ALWAYS AS IDENTITY,
    user_id           bigint NOT NULL,
    role              text   NOT NULL DEFAULT 'PATIENT',
    date_of_birth     date,
    blood_type        text   NOT NULL DEFAULT '',
    address           text   NOT NULL DEFAULT '',
    emergency_contact text   NOT NULL DEFAULT '',
    source_id         text, -- identity in the system it was imported from; an import finds the patient again by this
    CONSTRAINT patient_profiles_pkey PRIMARY KEY (id),
    CONSTRAINT patient_profiles_user_id_key UNIQUE (user_id),
    CONSTRAINT patient_profiles_source_id_key UNIQUE (source_id),
    CONSTRAINT patient_profiles_role_agrees CHECK (role = 'PATIENT'),
    CONSTRAINT patient_profiles_user_fkey FOREIGN KEY (user_id, role) REFERENCES users (id, role) ON DELETE CASCADE,
    CONSTRAINT patient_profiles_blood_type_known
        CHECK (blood_type IN ('', 'A+', 'A-', 'B+', 'B-', 'AB+', 'AB-', 'O+', 'O-')),
    CONSTRAINT patient_profiles_address_length CHECK (char_length(address) <= 500),
    CONSTRAINT patient_profiles_emergency_contact_length CHECK (char_length(emergency_contact) <= 500),
    CONSTRAINT patient_profiles_source_id_length CHECK (char_length(source_id) BETWEEN 1 AND 200)
);

-- Identifies the caller at this moment. It goes before every statement of a caller,
-- in the same transaction: when it fails, the statements after it do not run. It
-- compares the role too, so that a token is void once its claims are no longer true.
-- +goose StatementBegin
CREATE FUNCTION identify(caller bigint, claimed_role text, OUT patient_id bigint, OUT doctor_id bigint, OUT verified boolean)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT coalesce(p.id, 0), coalesce(d.id, 0), d.verified_at IS NOT NULL
    INTO patient_id, doctor_id, verified
    FROM users u
    LEFT JOIN patient_profiles p ON p.user_id = u.id
    LEFT JOIN doctor_profiles d ON d.user_id = u.id
    WHERE u.id = caller AND u.role = claimed_role AND u.active;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the account is not active' USING ERRCODE = 'HR001';
    END IF;
END
$$;
-- +goose StatementEnd

CREATE TABLE assignments (
    id           bigint GENERATED ALWAYS AS IDENTITY,
    patient_id   bigint      NOT NULL,
    doctor_id    bigint      NOT NULL,
    source       text        NOT NULL,
    owner        text, -- UID of the DoctorAssignment that declared it and may end it
    declared_by  text, -- its namespace/name, for people
    requested_by bigint, -- the user who asked over REST
    reason       text        NOT NULL DEFAULT '',
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz, -- null: open-ended; equal to starts_at: canceled before it began
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT assignments_pkey PRIMARY KEY (id),
    CONSTRAINT assignments_patient_fkey FOREIGN KEY (patient_id) REFERENCES patient_profiles (id) ON DELETE CASCADE,
    CONSTRAINT assignments_doctor_fkey FOREIGN KEY (doctor_id) REFERENCES doctor_profiles (id) ON DELETE CASCADE,
    CONSTRAINT assignments_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT assignments_source_known CHECK (source IN ('rest', 'kubernetes', 'break_glass')),
    CONSTRAINT assignments_owner_source CHECK (owner IS NULL OR source = 'kubernetes'),
    CONSTRAINT assignments_period CHECK (ends_at IS NULL OR ends_at >= starts_at),
    CONSTRAINT assignments_reason_length CHECK (char_length(reason) <= 500),
    -- One assignment per pair at any instant; emergency access may overlap the ordinary one.
    CONSTRAINT assignments_one_active EXCLUDE USING gist
        (patient_id WITH =, doctor_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
        WHERE (source <> 'break_glass')
);
-- who may see this patient; also the check on each read of a doctor
CREATE INDEX assignments_patient_idx ON assignments (patient_id, doctor_id, starts_at, ends_at);
-- a doctor's patients, and the history of them
CREATE INDEX assignments_doctor_idx ON assignments (doctor_id, patient_id, starts_at, ends_at);
CREATE INDEX assignments_owner_idx ON assignments (owner) WHERE owner IS NOT NULL;
CREATE INDEX assignments_requested_by_idx ON assignments (requested_by) WHERE requested_by IS NOT NULL;

CREATE TABLE health_records (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    patient_id  bigint      NOT NULL,
    created_by  bigint      NOT NULL,
    record_type text        NOT NULL,
    title       text        NOT NULL,
    description text        NOT NULL DEFAULT '',
    symptoms    text        NOT NULL DEFAULT '',
    diagnosis   text        NOT NULL DEFAULT '',
    treatment   text        NOT NULL DEFAULT '',
    medications text        NOT NULL DEFAULT '',
    visit_date  timestamptz NOT NULL,
    source_id   text, -- identity in the system it was imported from; an import finds it again by this
    -- SHA-256 of the content as imported: an import changes a record when its source changed, never because its
    -- patient edited it here
    source_digest bytea,
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT health_records_pkey PRIMARY KEY (id),
    CONSTRAINT health_records_patient_fkey FOREIGN KEY (patient_id) REFERENCES patient_profiles (id) ON DELETE CASCADE,
    CONSTRAINT health_records_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id),
    CONSTRAINT health_records_type_known
        CHECK (record_type IN ('CHECKUP', 'DIAGNOSIS', 'PRESCRIPTION', 'LAB_RESULT', 'EMERGENCY')),
    CONSTRAINT health_records_title_length CHECK (char_length(title) BETWEEN 1 AND 200),
    CONSTRAINT health_records_description_length CHECK (char_length(description) <= 10000),
    CONSTRAINT health_records_symptoms_length CHECK (char_length(symptoms) <= 10000),
    CONSTRAINT health_records_diagnosis_length CHECK (char_length(diagnosis) <= 10000),
    CONSTRAINT health_records_treatment_length CHECK (char_length(treatment) <= 10000),
    CONSTRAINT health_records_medications_length CHECK (char_length(medications) <= 10000),
    CONSTRAINT health_records_source_id_length CHECK (char_length(source_id) BETWEEN 1 AND 200),
    CONSTRAINT health_records_source_digest_agrees CHECK ((source_id IS NULL) = (source_digest IS NULL)),
    CONSTRAINT health_records_source_digest_length CHECK (octet_length(source_digest) = 32)
);
-- the two orders of a list, with the columns of its filters: paging and counting read only the index
CREATE INDEX health_records_visit_idx ON health_records (patient_id, visit_date DESC, id DESC) INCLUDE (record_type);
CREATE INDEX health_records_created_idx ON health_records (patient_id, created_at DESC, id DESC) INCLUDE (record_type, visit_date);
CREATE INDEX health_records_created_by_idx ON health_records (created_by);
CREATE UNIQUE INDEX health_records_source_id_key ON health_records (patient_id, source_id) WHERE source_id IS NOT NULL;

CREATE TABLE doctor_comments (
    id         bigint GENERATED ALWAYS AS IDENTITY,
    record_id  bigint      NOT NULL,
    doctor_id  bigint      NOT NULL,
    comment    text        NOT NULL,
    is_private boolean     NOT NULL DEFAULT false, -- for doctors; no byte of it reaches the patient
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT doctor_comments_pkey PRIMARY KEY (id),
    CONSTRAINT doctor_comments_record_fkey FOREIGN KEY (record_id) REFERENCES health_records (id) ON DELETE CASCADE,
    CONSTRAINT doctor_comments_doctor_fkey FOREIGN KEY (doctor_id) REFERENCES doctor_profiles (id),
    CONSTRAINT doctor_comments_comment_length CHECK (char_length(comment) BETWEEN 1 AND 5000)
);
CREATE INDEX doctor_comments_record_idx ON doctor_comments (record_id, id);
CREATE INDEX doctor_comments_doctor_idx ON doctor_comments (doctor_id);

-- Who may see which patient is decided here and nowhere else. The time is the
-- statement's, not the transaction's: after waiting, a transaction sees that access has
-- ended meanwhile.
CREATE VIEW active_assignments AS
SELECT a.id, a.patient_id, a.doctor_id, d.user_id AS doctor_user_id, a.source, a.starts_at
FROM assignments a
JOIN doctor_profiles d ON d.id = a.doctor_id
WHERE a.starts_at <= statement_timestamp() AND (a.ends_at IS NULL OR a.ends_at > statement_timestamp())
    AND d.verified_at IS NOT NULL
    AND (SELECT u.active FROM users u WHERE u.id = d.user_id); -- evaluated once for each doctor, not for each assignment

-- One row for each reason why the user may see the patient's records: emergency
-- access beside an ordinary assignment makes two.
CREATE VIEW patient_access AS
SELECT p.user_id, p.id AS patient_id FROM patient_profiles p
UNION ALL
SELECT a.doctor_user_id, a.patient_id FROM active_assignments a;

-- a comment with the details of the doctor that its readers see
CREATE VIEW comment_details AS
SELECT c.id, c.record_id, c.comment, c.is_private, c.created_at, c.doctor_id,
    d.specialization, d.license_number, d.years_of_experience,
    u.id AS user_id, u.username, u.first_name, u.last_name
FROM doctor_comments c
JOIN doctor_profiles d ON d.id = c.doctor_id
JOIN users u ON u.id = d.user_id;

-- One row for each event of a change, written in the change's transaction. It
-- is open until its effect is committed (finished_at), and published again
-- until then. It holds ids only.
CREATE TABLE outbox (
    id            bigint GENERATED ALWAYS AS IDENTITY,
    type          text        NOT NULL,
    patient_id    bigint,
    doctor_id     bigint,
    assignment_id bigint,
    record_id     bigint,
    comment_id    bigint,
    created_at    timestamptz NOT NULL DEFAULT now(),
    attempts      integer     NOT NULL DEFAULT 0, -- times published
    next_at       timestamptz NOT NULL DEFAULT now(), -- when to publish (again)
    finished_at   timestamptz,
    outcome       text, -- done; dropped: its subject no longer exists; dead: given up, for an operator to look at
    CONSTRAINT outbox_pkey PRIMARY KEY (id),
    CONSTRAINT outbox_type_known CHECK (type IN ('assignment.created', 'record.created', 'comment.created')),
    CONSTRAINT outbox_outcome_known CHECK (outcome IN ('done', 'dropped', 'dead')),
    CONSTRAINT outbox_finished_agrees CHECK ((finished_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX outbox_open_idx ON outbox (next_at, id) WHERE finished_at IS NULL;
CREATE INDEX outbox_open_assignment_idx ON outbox (assignment_id) WHERE finished_at IS NULL AND assignment_id IS NOT NULL;
CREATE INDEX outbox_finished_idx ON outbox (finished_at) WHERE finished_at IS NOT NULL;

-- event_id is no foreign key: finished outbox rows are trimmed, notifications stay.
CREATE TABLE notifications (
    id            bigint GENERATED ALWAYS AS IDENTITY,
    recipient_id  bigint      NOT NULL,
    event_id      bigint      NOT NULL,
    type          text        NOT NULL,
    patient_id    bigint,
    doctor_id     bigint,
    assignment_id bigint,
    record_id     bigint,
    comment_id    bigint,
    read_at       timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT notifications_pkey PRIMARY KEY (id),
    -- however often an event is delivered, each recipient gets one notification
    CONSTRAINT notifications_once UNIQUE (event_id, recipient_id),
    CONSTRAINT notifications_recipient_fkey FOREIGN KEY (recipient_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT notifications_patient_fkey FOREIGN KEY (patient_id) REFERENCES patient_profiles (id) ON DELETE CASCADE,
    CONSTRAINT notifications_doctor_fkey FOREIGN KEY (doctor_id) REFERENCES doctor_profiles (id) ON DELETE CASCADE,
    CONSTRAINT notifications_assignment_fkey FOREIGN KEY (assignment_id) REFERENCES assignments (id) ON DELETE CASCADE,
    CONSTRAINT notifications_record_fkey FOREIGN KEY (record_id) REFERENCES health_records (id) ON DELETE SET NULL,
    CONSTRAINT notifications_comment_fkey FOREIGN KEY (comment_id) REFERENCES doctor_comments (id) ON DELETE SET NULL,
    CONSTRAINT notifications_type_known CHECK (type IN ('PATIENT_ASSIGNED', 'NEW_RECORD', 'COMMENT_ADDED'))
);
CREATE INDEX notifications_recipient_idx ON notifications (recipient_id, id DESC) INCLUDE (read_at);
CREATE INDEX notifications_unread_idx ON notifications (recipient_id, id DESC) WHERE read_at IS NULL;
CREATE INDEX notifications_record_idx ON notifications (record_id) WHERE record_id IS NOT NULL;
CREATE INDEX notifications_comment_idx ON notifications (comment_id) WHERE comment_id IS NOT NULL;
CREATE INDEX notifications_assignment_idx ON notifications (assignment_id) WHERE assignment_id IS NOT NULL;
CREATE INDEX notifications_patient_idx ON notifications (patient_id) WHERE patient_id IS NOT NULL;
CREATE INDEX notifications_doctor_idx ON notifications (doctor_id) WHERE doctor_id IS NOT NULL;

-- One login. Deleting it ends it: its refresh tokens are deleted too, also one that
-- is being made at the same moment.
CREATE TABLE sessions (
    id         bigint GENERATED ALWAYS AS IDENTITY,
    user_id    bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL, -- when its newest refresh token expires
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX sessions_user_idx ON sessions (user_id);
CREATE INDEX sessions_expires_idx ON sessions (expires_at);

-- A refresh token is kept as a hash: nobody can log in with the content of this table.
CREATE TABLE refresh_tokens (
    id         bigint GENERATED ALWAYS AS IDENTITY,
    session_id bigint      NOT NULL,
    token_hash bytea       NOT NULL, -- SHA-256 of the 32 random bytes
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz, -- single use; using it again ends the session
    CONSTRAINT refresh_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT refresh_tokens_token_hash_key UNIQUE (token_hash),
    CONSTRAINT refresh_tokens_session_fkey FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE,
    CONSTRAINT refresh_tokens_token_hash_length CHECK (octet_length(token_hash) = 32)
);
CREATE INDEX refresh_tokens_session_idx ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expires_idx ON refresh_tokens (expires_at);

-- The first answer to a request with an Idempotency-Key, written in the
-- transaction of its effect.
CREATE TABLE idempotency_keys (
    user_id      bigint      NOT NULL,
    operation    text        NOT NULL,
    key          text        NOT NULL,
    request_hash bytea       NOT NULL,
    answer       jsonb,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, operation, key),
    CONSTRAINT idempotency_keys_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 255)
);
CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at);
-- A registration has no account yet to which its key could belong: these keys are one space.
CREATE UNIQUE INDEX idempotency_keys_register_key ON idempotency_keys (key) WHERE operation = 'register';

-- +goose Down
DROP VIEW comment_details, patient_access, active_assignments, accounts;
DROP FUNCTION identify(bigint, text);
DROP TABLE idempotency_keys, refresh_tokens, sessions, notifications, outbox, doctor_comments, health_records,
    assignments, patient_profiles, doctor_profiles, users;
