-- +goose Up

-- In the order in which others lock them: people first, and an assignment under the lock of its doctor.
LOCK TABLE users, patient_profiles, doctor_profiles IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE assignments IN ACCESS EXCLUSIVE MODE;

-- What the controllers carried out last for each DoctorAssignment object. The row outlives the object for a while, so that a
-- controller that was frozen cannot declare again what another one has released.
CREATE TABLE declarations (
    uid         text        NOT NULL, -- of the object
    cluster     text        NOT NULL, -- id of its cluster; empty: declared by a release that did not know it
    name        text        NOT NULL, -- its namespace/name, for people
    term        bigint      NOT NULL, -- of the controller that carried it out, from controller_terms
    generation  bigint      NOT NULL, -- of the object's spec
    digest      bytea,                -- of the declaration; null: something has changed since
    whole       boolean     NOT NULL DEFAULT false, -- each pair of the declaration was claimed
    retain      boolean     NOT NULL, -- what happens to the claims if the object has disappeared
    suspended   boolean     NOT NULL DEFAULT false, -- a former release, which knows no spec.suspend, must not declare it
    released_at timestamptz,          -- the object was deleted
    CONSTRAINT declarations_pkey PRIMARY KEY (uid)
);
CREATE INDEX declarations_cluster_idx ON declarations (cluster, uid);
CREATE INDEX declarations_released_idx ON declarations (released_at) WHERE released_at IS NOT NULL;
CREATE INDEX declarations_lock_idx ON declarations (hashtextextended('assignments of ' || uid, 0)); -- see former_declared
CREATE SEQUENCE controller_terms;

-- A claim is one source's wish that a doctor is assigned to a patient. The assignments of a pair are the union of its claims'
-- periods; settle_assignments keeps them so. Claims that have ended stay as history.
CREATE TABLE assignment_claims (
    id           bigint GENERATED ALWAYS AS IDENTITY,
    patient_id   bigint      NOT NULL,
    doctor_id    bigint      NOT NULL,
    source       text        NOT NULL,
    owner        text, -- UID of the DoctorAssignment that declares it
    declared_by  text, -- its namespace/name, for people
    requester    text, -- the Kubernetes user who asked for it
    requested_by bigint, -- the user who asked over REST
    reason       text        NOT NULL DEFAULT '',
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz, -- null: open-ended
    created_at   timestamptz NOT NULL DEFAULT now(),
    ended_at     timestamptz, -- since then it does not count any longer; null: it has not been withdrawn
    held         bigint, -- an administrator ended it by force at this generation of its object, which must not claim it again
    CONSTRAINT assignment_claims_pkey PRIMARY KEY (id),
    CONSTRAINT assignment_claims_patient_fkey FOREIGN KEY (patient_id) REFERENCES patient_profiles (id) ON DELETE CASCADE,
    CONSTRAINT assignment_claims_doctor_fkey FOREIGN KEY (doctor_id) REFERENCES doctor_profiles (id) ON DELETE CASCADE,
    CONSTRAINT assignment_claims_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT assignment_claims_source_known CHECK (source IN ('rest', 'kubernetes')),
    CONSTRAINT assignment_claims_owner_source CHECK ((owner IS NOT NULL) = (source = 'kubernetes')),
    CONSTRAINT assignment_claims_period CHECK (ends_at IS NULL OR ends_at > starts_at),
    CONSTRAINT assignment_claims_held_ended CHECK (held IS NULL OR (ended_at IS NOT NULL AND owner IS NOT NULL)),
    CONSTRAINT assignment_claims_reason_length CHECK (char_length(reason) <= 500),
    CONSTRAINT assignment_claims_requester_length CHECK (char_length(requester) <= 1000)
);
-- the claims of a pair
CREATE INDEX assignment_claims_pair_idx ON assignment_claims (patient_id, doctor_id, starts_at);
CREATE INDEX assignment_claims_doctor_idx ON assignment_claims (doctor_id);
CREATE INDEX assignment_claims_requested_by_idx ON assignment_claims (requested_by) WHERE requested_by IS NOT NULL;
-- one claim of REST and one of each object
CREATE UNIQUE INDEX assignment_claims_rest_idx ON assignment_claims (patient_id, doctor_id) WHERE source = 'rest' AND ended_at IS NULL;
CREATE UNIQUE INDEX assignment_claims_owner_idx ON assignment_claims (owner, doctor_id, patient_id)
    WHERE owner IS NOT NULL AND (ended_at IS NULL OR held IS NOT NULL);

ALTER TABLE assignments ADD COLUMN requester text; -- of the claim that the other columns come from

-- A pair has one claim of REST. What a deleted object left for a later time, beside an assignment that ends before, stays an
-- object's, which only force ends.
UPDATE assignments a SET owner = 'assignment ' || a.id
WHERE a.source = 'kubernetes' AND a.owner IS NULL AND a.starts_at > statement_timestamp() AND (a.ends_at IS NULL OR a.ends_at > a.starts_at)
    AND EXISTS (
        SELECT FROM assignments o
        WHERE o.patient_id = a.patient_id AND o.doctor_id = a.doctor_id AND o.source IS DISTINCT FROM 'break_glass' AND o.owner IS NULL
            AND o.ends_at > greatest(o.starts_at, statement_timestamp()) AND o.starts_at < a.starts_at);
INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, declared_by, requested_by, reason, starts_at, ends_at, created_at)
SELECT a.patient_id, a.doctor_id, CASE WHEN a.owner IS NULL THEN 'rest' ELSE 'kubernetes' END, a.owner,
    CASE WHEN a.owner IS NOT NULL THEN a.declared_by END, a.requested_by, a.reason, a.starts_at, a.ends_at, a.created_at
FROM assignments a
WHERE a.source <> 'break_glass' AND (a.ends_at IS NULL OR a.ends_at > greatest(a.starts_at, statement_timestamp()))
-- one claim of REST and one of each object
ORDER BY a.starts_at
ON CONFLICT DO NOTHING;
INSERT INTO declarations (uid, cluster, name, term, generation, retain)
SELECT DISTINCT ON (c.owner) c.owner, '', coalesce(c.declared_by, ''), 0, 0, false
FROM assignment_claims c WHERE c.owner IS NOT NULL ORDER BY c.owner, c.id DESC;
-- what objects left when they were deleted, which REST claims now
UPDATE assignments a SET source = 'rest', declared_by = NULL
WHERE a.source = 'kubernetes' AND a.owner IS NULL AND (a.ends_at IS NULL OR a.ends_at > greatest(a.starts_at, statement_timestamp()));

-- The periods in which claims cover a pair, unless they are over, each with the claim that covers it first. In PL/pgSQL it is
-- not merged into the statements below: they are planned for few rows, so that they never read whole tables.
-- +goose StatementBegin
CREATE FUNCTION claimed_periods(patient bigint, doctor bigint) RETURNS TABLE (starts_at timestamptz, ends_at timestamptz, lead bigint)
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY
    SELECT lower(u.period), upper(u.period), (
        SELECT c.id FROM assignment_claims c
        WHERE c.patient_id = patient AND c.doctor_id = doctor AND c.ended_at IS NULL
            AND (c.ends_at IS NULL OR c.ends_at > statement_timestamp()) AND tstzrange(c.starts_at, c.ends_at) && u.period
        ORDER BY c.starts_at, c.id LIMIT 1)
    FROM (
        SELECT unnest(range_agg(tstzrange(c.starts_at, c.ends_at))) AS period FROM assignment_claims c
        WHERE c.patient_id = patient AND c.doctor_id = doctor AND c.ended_at IS NULL
    ) AS u
    WHERE upper_inf(u.period) OR upper(u.period) > statement_timestamp();
END
$$;

-- Statements that look for ordinary assignments compare the source by IS DISTINCT FROM: then Postgres does not see that the
-- index of assignments_one_active has them, and uses another. A nested loop over this index, which is GiST, breaks it: when a
-- scan ends early, the rows that it found dead are marked in the next scan, where other rows have their places. Such
-- rows are not found any more, and the constraint does not hold (seen in Postgres 15.18).
--
-- Makes the assignments of each pair (patients[i], doctors[i]) the union of its claims' periods from now on, and adds the
-- events of those that begin. An assignment runs on while any claim covers it, whichever ends; it ends with the
-- last claim in the statement that ends it; after a gap another row begins. Its other columns come from the claim that covers
-- it first. It runs in the trigger of every change of claims.
CREATE FUNCTION settle_assignments(patients bigint[], doctors bigint[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    at timestamptz := statement_timestamp();
BEGIN
    -- Whoever changes claims holds these locks already; so does who adds assignments in a former release.
    PERFORM FROM doctor_profiles d WHERE d.id = ANY (ARRAY(SELECT DISTINCT unnest(doctors))) ORDER BY d.id FOR NO KEY UPDATE;

    -- The assignment of a period is the one that runs now if the period has begun, and otherwise the one that begins with it.
    -- What ends or shrinks goes first, because the others may grow into its place.
    UPDATE assignments a SET ends_at = CASE WHEN f.wanted THEN f.ends_at ELSE greatest(a.starts_at, at) END
    FROM (
        SELECT o.id, w.starts_at IS NOT NULL AS wanted, w.ends_at
        FROM unnest(patients, doctors) AS pair (patient_id, doctor_id)
        JOIN assignments o ON o.patient_id = pair.patient_id AND o.doctor_id = pair.doctor_id AND o.source IS DISTINCT FROM 'break_glass'
            AND (o.ends_at IS NULL OR o.ends_at > greatest(o.starts_at, at))
        LEFT JOIN LATERAL claimed_periods(o.patient_id, o.doctor_id) AS w ON greatest(w.starts_at, at) = greatest(o.starts_at, at)
    ) AS f
    WHERE a.id = f.id AND (NOT f.wanted OR f.ends_at < coalesce(a.ends_at, 'infinity'));

    UPDATE assignments a SET ends_at = w.ends_at, source = c.source, owner = c.owner, declared_by = c.declared_by,
        requester = c.requester, requested_by = c.requested_by, reason = c.reason
    FROM unnest(patients, doctors) AS pair (patient_id, doctor_id)
    CROSS JOIN LATERAL claimed_periods(pair.patient_id, pair.doctor_id) AS w
    JOIN assignment_claims c ON c.id = w.lead
    WHERE a.patient_id = pair.patient_id AND a.doctor_id = pair.doctor_id AND a.source IS DISTINCT FROM 'break_glass'
        AND (a.ends_at IS NULL OR a.ends_at > greatest(a.starts_at, at))
        AND greatest(w.starts_at, at) = greatest(a.starts_at, at)
        AND (a.ends_at, a.source, a.owner, a.declared_by, a.requester, a.requested_by, a.reason)
            IS DISTINCT FROM (w.ends_at, c.source, c.owner, c.declared_by, c.requester, c.requested_by, c.reason);

    WITH created AS (
        INSERT INTO assignments (patient_id, doctor_id, source, owner, declared_by, requester, requested_by, reason, starts_at, ends_at)
        SELECT c.patient_id, c.doctor_id, c.source, c.owner, c.declared_by, c.requester, c.requested_by, c.reason,
            greatest(w.starts_at, at), w.ends_at
        FROM unnest(patients, doctors) AS pair (patient_id, doctor_id)
        CROSS JOIN LATERAL claimed_periods(pair.patient_id, pair.doctor_id) AS w
        JOIN assignment_claims c ON c.id = w.lead
        WHERE NOT EXISTS (
            SELECT FROM assignments a
            WHERE a.patient_id = pair.patient_id AND a.doctor_id = pair.doctor_id AND a.source IS DISTINCT FROM 'break_glass'
                AND (a.ends_at IS NULL OR a.ends_at > greatest(a.starts_at, at))
                AND greatest(w.starts_at, at) = greatest(a.starts_at, at))
        RETURNING id, patient_id, doctor_id, starts_at, requested_by
    )
    INSERT INTO outbox (type, patient_id, doctor_id, assignment_id, actor_id, created_at, next_at)
    SELECT 'assignment.created', c.patient_id, c.doctor_id, c.id, c.requested_by, c.starts_at, c.starts_at FROM created c
    WHERE coalesce(current_setting('healthrecords.silent', true), '') <> 'on'; -- an import
END
$$;

-- A claim whose time was over before it was withdrawn changes no assignment.
CREATE FUNCTION claims_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM settle_assignments(array_agg(c.patient_id), array_agg(c.doctor_id))
    FROM (
        SELECT DISTINCT changed.patient_id, changed.doctor_id FROM changed
        WHERE changed.ended_at IS NULL OR changed.ended_at < coalesce(changed.ends_at, 'infinity')
    ) AS c HAVING count(*) > 0;
    RETURN NULL;
END
$$;

-- A claim of REST that has ended in time makes room for the next one. One that begins later makes room for the one that a
-- person asks for now, which takes its end over unless there is a gap between the two.
CREATE FUNCTION claim_replaces() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    later tstzrange;
BEGIN
    UPDATE assignment_claims c SET ended_at = least(c.ends_at, statement_timestamp())
    WHERE c.patient_id = NEW.patient_id AND c.doctor_id = NEW.doctor_id AND c.source = 'rest' AND c.ended_at IS NULL
        AND (c.ends_at <= statement_timestamp()
            OR NEW.requested_by IS NOT NULL AND c.starts_at > greatest(NEW.starts_at, statement_timestamp()))
    RETURNING tstzrange(c.starts_at, c.ends_at) INTO later;
    IF lower(later) > statement_timestamp() AND lower(later) <= NEW.ends_at THEN
        NEW.ends_at := CASE WHEN NOT upper_inf(later) THEN greatest(NEW.ends_at, upper(later)) END;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER claim_replaces BEFORE INSERT ON assignment_claims FOR EACH ROW WHEN (NEW.source = 'rest') EXECUTE FUNCTION claim_replaces();
CREATE TRIGGER claims_added AFTER INSERT ON assignment_claims REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION claims_changed();
CREATE TRIGGER claims_updated AFTER UPDATE ON assignment_claims REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION claims_changed();
CREATE TRIGGER claims_deleted AFTER DELETE ON assignment_claims REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION claims_changed();

-- A former release, which runs beside this one during an upgrade and after a rollback, writes assignments and knows no claims.
-- These triggers translate what it writes. Whatever this release writes comes from settle_assignments, inside a
-- trigger, or is emergency access.
-- +goose StatementBegin
CREATE FUNCTION assignment_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO declarations (uid, cluster, name, term, generation, retain)
    SELECT NEW.owner, '', coalesce(NEW.declared_by, ''), 0, 0, false WHERE NEW.owner IS NOT NULL
    ON CONFLICT (uid) DO UPDATE SET digest = NULL, released_at = NULL;
    IF NEW.ends_at <= greatest(NEW.starts_at, statement_timestamp()) THEN
        RETURN NULL;
    END IF;
    UPDATE assignment_claims c SET ended_at = c.ends_at -- it is history, and somebody else may have asked for it
    WHERE c.patient_id = NEW.patient_id AND c.doctor_id = NEW.doctor_id AND c.owner IS NOT DISTINCT FROM NEW.owner AND c.ended_at IS NULL
        AND c.ends_at <= statement_timestamp();
    UPDATE assignment_claims c SET starts_at = NEW.starts_at, ends_at = NEW.ends_at, reason = NEW.reason, requested_by = NEW.requested_by, requester = NULL
    WHERE c.patient_id = NEW.patient_id AND c.doctor_id = NEW.doctor_id AND c.owner IS NOT DISTINCT FROM NEW.owner AND c.ended_at IS NULL;
    IF NOT FOUND THEN
        INSERT INTO assignment_claims (patient_id, doctor_id, source, owner, declared_by, requested_by, reason, starts_at, ends_at)
        VALUES (NEW.patient_id, NEW.doctor_id, CASE WHEN NEW.owner IS NULL THEN 'rest' ELSE 'kubernetes' END, NEW.owner,
            CASE WHEN NEW.owner IS NOT NULL THEN NEW.declared_by END, NEW.requested_by, NEW.reason, NEW.starts_at, NEW.ends_at);
    END IF;
    RETURN NULL;
END
$$;

-- What an administrator ended by force, and what a suspended object names, no former release declares.
CREATE FUNCTION assignment_held() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (
        SELECT FROM assignment_claims c
        WHERE c.owner = NEW.owner AND c.doctor_id = NEW.doctor_id AND c.patient_id = NEW.patient_id AND c.held IS NOT NULL)
        OR EXISTS (SELECT FROM declarations d WHERE d.uid = NEW.owner AND d.suspended)
    THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION assignment_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE declarations d SET digest = NULL WHERE d.uid = OLD.owner;
    IF OLD.owner IS NOT NULL AND NEW.owner IS NULL THEN -- retained
        INSERT INTO assignment_claims (patient_id, doctor_id, source, reason, starts_at, ends_at)
        SELECT c.patient_id, c.doctor_id, 'rest', c.reason, c.starts_at, c.ends_at FROM assignment_claims c
        WHERE c.owner = OLD.owner AND c.patient_id = OLD.patient_id AND c.doctor_id = OLD.doctor_id AND c.ended_at IS NULL
        ON CONFLICT (patient_id, doctor_id) WHERE source = 'rest' AND ended_at IS NULL DO UPDATE
        SET starts_at = least(assignment_claims.starts_at, excluded.starts_at),
            ends_at = nullif(greatest(coalesce(assignment_claims.ends_at, 'infinity'), coalesce(excluded.ends_at, 'infinity')), 'infinity')
        WHERE tstzrange(assignment_claims.starts_at, assignment_claims.ends_at) && tstzrange(excluded.starts_at, excluded.ends_at)
            OR tstzrange(assignment_claims.starts_at, assignment_claims.ends_at) -|- tstzrange(excluded.starts_at, excluded.ends_at);
        UPDATE assignment_claims c SET ended_at = statement_timestamp()
        WHERE c.owner = OLD.owner AND c.patient_id = OLD.patient_id AND c.doctor_id = OLD.doctor_id AND c.ended_at IS NULL;
    END IF;
    IF (NEW.starts_at, NEW.ends_at, NEW.reason) IS DISTINCT FROM (OLD.starts_at, OLD.ends_at, OLD.reason) THEN
        IF NEW.ends_at <= greatest(NEW.starts_at, statement_timestamp()) THEN
            UPDATE assignment_claims c SET ended_at = statement_timestamp()
            WHERE c.owner IS NOT DISTINCT FROM NEW.owner AND c.patient_id = OLD.patient_id AND c.doctor_id = OLD.doctor_id AND c.ended_at IS NULL;
        ELSE
            UPDATE assignment_claims c SET starts_at = NEW.starts_at, ends_at = NEW.ends_at, reason = NEW.reason
            WHERE c.owner IS NOT DISTINCT FROM NEW.owner AND c.patient_id = OLD.patient_id AND c.doctor_id = OLD.doctor_id AND c.ended_at IS NULL;
        END IF;
    END IF;
    RETURN NULL;
END
$$;

-- A former release that declares or withdraws an object holds a lock with the object's name, and knows the object by the
-- assignments that it owns. The object's other claims end: the former release would never end them. While the object
-- exists, it declares them again when the pair is free, as that release always did.
CREATE FUNCTION former_declared() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE assignment_claims c SET ended_at = statement_timestamp()
    FROM pg_locks l JOIN declarations d ON hashtextextended('assignments of ' || d.uid, 0) = (l.classid::bigint << 32 | l.objid::bigint)
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.pid = pg_backend_pid() AND c.owner = d.uid AND c.ended_at IS NULL
        AND NOT EXISTS (
            SELECT FROM assignments a
            WHERE a.owner = c.owner AND a.patient_id = c.patient_id AND a.doctor_id = c.doctor_id
                AND (a.ends_at IS NULL OR a.ends_at > greatest(a.starts_at, statement_timestamp())));
    RETURN NULL;
END
$$;

-- Nobody's program deletes an assignment. If a person does, its claims end, and an object declares it again.
CREATE FUNCTION assignment_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE assignment_claims c SET ended_at = statement_timestamp()
    WHERE c.patient_id = OLD.patient_id AND c.doctor_id = OLD.doctor_id AND c.ended_at IS NULL
        AND tstzrange(c.starts_at, c.ends_at) && tstzrange(OLD.starts_at, OLD.ends_at);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER assignment_held BEFORE INSERT ON assignments FOR EACH ROW
    WHEN (pg_trigger_depth() = 0 AND NEW.owner IS NOT NULL) EXECUTE FUNCTION assignment_held();
CREATE TRIGGER assignment_added AFTER INSERT ON assignments FOR EACH ROW
    WHEN (pg_trigger_depth() = 0 AND NEW.source <> 'break_glass') EXECUTE FUNCTION assignment_added();
CREATE TRIGGER assignment_changed AFTER UPDATE ON assignments FOR EACH ROW
    WHEN (pg_trigger_depth() = 0 AND NEW.source <> 'break_glass') EXECUTE FUNCTION assignment_changed();
CREATE TRIGGER former_declared AFTER UPDATE ON assignments FOR EACH STATEMENT
    WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION former_declared();
CREATE TRIGGER assignment_deleted AFTER DELETE ON assignments FOR EACH ROW
    WHEN (pg_trigger_depth() = 0 AND OLD.source <> 'break_glass') EXECUTE FUNCTION assignment_deleted();

-- Each pair is looked up by an index. A plan with a join of whole tables, made while they were small, would be kept until
-- they are analyzed again: minutes, in which they may grow to many times their size.
ALTER FUNCTION settle_assignments SET enable_seqscan = off;
ALTER FUNCTION settle_assignments SET enable_hashjoin = off;
ALTER FUNCTION settle_assignments SET enable_mergejoin = off;
ALTER FUNCTION settle_assignments SET enable_material = off;

-- No temporary table can take the place of a table that these read.
-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['claimed_periods', 'settle_assignments', 'claims_changed', 'claim_replaces', 'assignment_added', 'assignment_held',
        'assignment_changed', 'former_declared', 'assignment_deleted'] LOOP
        EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', name, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %I FROM PUBLIC', name);
    END LOOP;
END
$$;
-- +goose StatementEnd

ALTER TABLE assignment_claims ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON assignment_claims TO CURRENT_USER USING (true);
CREATE POLICY controller ON assignment_claims TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON assignment_claims FOR SELECT USING ((SELECT caller_role()) = 'ADMIN');
-- A doctor claims for themselves, over REST only. Only an administrator ends claims.
CREATE POLICY caller_adds ON assignment_claims FOR INSERT WITH CHECK (
    source = 'rest' AND requested_by = caller_id('user') AND (doctor_id = caller_id('verified_doctor') OR caller_role() = 'ADMIN'));
CREATE POLICY caller_changes ON assignment_claims FOR UPDATE USING (caller_role() = 'ADMIN');

ALTER TABLE declarations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON declarations TO CURRENT_USER USING (true);
CREATE POLICY controller ON declarations TO CURRENT_USER USING (true);
CREATE POLICY caller_reads ON declarations FOR SELECT USING ((SELECT caller_role()) = 'ADMIN');

-- As in 00015, with the Kubernetes user who asked for what the controller did: see clinic.RequesterOf.
CREATE OR REPLACE VIEW callers_audit WITH (security_barrier = true) AS
SELECT l.id, l.at, l.user_id, l.role,
    CASE read.record WHEN 0 THEN l.operation WHEN -1 THEN 'listRecords' ELSE 'getRecord' END AS operation,
    CASE read.record WHEN 0 THEN l.object_kind ELSE 'record' END AS object_kind,
    CASE read.record WHEN 0 THEN l.object_id WHEN -1 THEN NULL ELSE read.record END AS object_id,
    l.reason, l.decision,
    nullif(l.assignment_ids[array_position(l.patient_ids, caller_id('patient'))], 0) AS assignment_id,
    u.username, u.first_name, u.last_name,
    CASE l.role WHEN 'CONTROLLER' THEN l.request_id END AS controllers_request
FROM audit_log l
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN l.operation NOT IN ('addComment', 'correctComment') OR l.decision <> 'allowed' THEN 0
        WHEN l.object_kind = 'record' THEN l.object_id
        ELSE coalesce((SELECT CASE WHEN c.is_private THEN c.record_id ELSE 0 END FROM doctor_comments c WHERE c.id = l.object_id), -1)
    END AS record
) AS read
LEFT JOIN users u ON u.id = l.user_id AND (u.role <> 'PATIENT' OR u.id = caller_id('user'))
WHERE l.patient_ids @> ARRAY[caller_id('patient')];

-- +goose Down
DROP VIEW callers_audit;
CREATE VIEW callers_audit WITH (security_barrier = true) AS
SELECT l.id, l.at, l.user_id, l.role,
    CASE read.record WHEN 0 THEN l.operation WHEN -1 THEN 'listRecords' ELSE 'getRecord' END AS operation,
    CASE read.record WHEN 0 THEN l.object_kind ELSE 'record' END AS object_kind,
    CASE read.record WHEN 0 THEN l.object_id WHEN -1 THEN NULL ELSE read.record END AS object_id,
    l.reason, l.decision,
    nullif(l.assignment_ids[array_position(l.patient_ids, caller_id('patient'))], 0) AS assignment_id,
    u.username, u.first_name, u.last_name
FROM audit_log l
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN l.operation NOT IN ('addComment', 'correctComment') OR l.decision <> 'allowed' THEN 0
        WHEN l.object_kind = 'record' THEN l.object_id
        ELSE coalesce((SELECT CASE WHEN c.is_private THEN c.record_id ELSE 0 END FROM doctor_comments c WHERE c.id = l.object_id), -1)
    END AS record
) AS read
LEFT JOIN users u ON u.id = l.user_id AND (u.role <> 'PATIENT' OR u.id = caller_id('user'))
WHERE l.patient_ids @> ARRAY[caller_id('patient')];
DROP TRIGGER assignment_held ON assignments;
DROP TRIGGER assignment_added ON assignments;
DROP TRIGGER assignment_changed ON assignments;
DROP TRIGGER former_declared ON assignments;
DROP TRIGGER assignment_deleted ON assignments;
DROP TABLE assignment_claims, declarations;
DROP SEQUENCE controller_terms;
DROP FUNCTION settle_assignments, claimed_periods, claims_changed, claim_replaces, assignment_added, assignment_held, assignment_changed,
    former_declared, assignment_deleted;
ALTER TABLE assignments DROP COLUMN requester;
