-- +goose Up

-- The query of terms in a language: all of them, each in the forms of the language or as it is. A term is a word or several in
-- their order, a beginning of words, or one that must not occur. With any_of it is the query of the words to highlight.
-- Nothing of a term is read as an operator: to_tsquery, which reads them, is not called.
-- +goose StatementBegin
CREATE FUNCTION search_query(language text, terms text[], prefixes boolean[], exclusions boolean[], any_of boolean) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    plain text;
    one   tsquery;
    whole tsquery := '';
BEGIN
    FOR i IN 1..cardinality(terms) LOOP
        CONTINUE WHEN any_of AND exclusions[i];
        plain := search_text(terms[i]);
        IF prefixes[i] THEN
            SELECT string_agg('''' || replace(replace(w.word, '\', '\\'), '''', '''''') || ''':*', ' & ') INTO plain
            FROM unnest(tsvector_to_array(to_tsvector('healthrecords_simple', plain))) AS w (word);
            one := coalesce(plain, '')::tsquery;
        ELSE
            one := phraseto_tsquery('healthrecords_simple', plain);
            CASE language
                WHEN 'en' THEN one := one || phraseto_tsquery('healthrecords_en', plain);
                WHEN 'de' THEN one := one || phraseto_tsquery('healthrecords_de', plain);
                WHEN 'fr' THEN one := one || phraseto_tsquery('healthrecords_fr', plain);
                WHEN 'es' THEN one := one || phraseto_tsquery('healthrecords_es', plain);
                WHEN 'ru' THEN one := one || phraseto_tsquery('healthrecords_ru', plain);
                ELSE NULL;
            END CASE;
        END IF;
        CONTINUE WHEN numnode(one) = 0;
        whole := CASE WHEN any_of THEN whole || one WHEN exclusions[i] THEN whole && !! one ELSE whole && one END;
    END LOOP;
    RETURN whole;
END
$$;
-- +goose StatementEnd

-- The words of a text, as many characters as it has, with < and > around those that the query names: no other sign is in it.
-- +goose StatementBegin
CREATE FUNCTION search_marks(language text, plain text, query tsquery) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    options CONSTANT text := 'HighlightAll=true, StartSel=<, StopSel=>';
BEGIN
    RETURN CASE language
        WHEN 'en' THEN ts_headline('healthrecords_en', search_text(plain), query, options)
        WHEN 'de' THEN ts_headline('healthrecords_de', search_text(plain), query, options)
        WHEN 'fr' THEN ts_headline('healthrecords_fr', search_text(plain), query, options)
        WHEN 'es' THEN ts_headline('healthrecords_es', search_text(plain), query, options)
        WHEN 'ru' THEN ts_headline('healthrecords_ru', search_text(plain), query, options)
        ELSE ts_headline('healthrecords_simple', search_text(plain), query, options)
    END;
END
$$;
-- +goose StatementEnd

-- A page of the caller's records that match, best first, or with back from the position backward. It returns ids and numbers,
-- with one row at least: where none is on the page, its id is null. complete says whether all of the caller's records were
-- searched. It begins with the caller's patients and reads nobody else's rows, so that its time depends on the caller's own.
-- +goose StatementBegin
CREATE FUNCTION search_records(terms text[], prefixes boolean[], exclusions boolean[], default_language text, types text[],
    wanted_patient bigint, since timestamptz, until timestamptz,
    beyond_rank real, beyond_date timestamptz, beyond_id bigint, back boolean, most integer)
RETURNS TABLE (id bigint, rank real, assignment_id bigint, emergency boolean, total bigint, complete boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20 AS $$
#variable_conflict use_column
DECLARE
    pending_most CONSTANT bigint := 300; -- whose vectors one search computes
    reads_private CONSTANT boolean := caller_role() = 'DOCTOR';
    q_simple CONSTANT tsquery := search_query('simple', terms, prefixes, exclusions, false);
    q_en CONSTANT tsquery := search_query('en', terms, prefixes, exclusions, false);
    q_de CONSTANT tsquery := search_query('de', terms, prefixes, exclusions, false);
    q_fr CONSTANT tsquery := search_query('fr', terms, prefixes, exclusions, false);
    q_es CONSTANT tsquery := search_query('es', terms, prefixes, exclusions, false);
    q_ru CONSTANT tsquery := search_query('ru', terms, prefixes, exclusions, false);
BEGIN
    RETURN QUERY
    WITH patients AS MATERIALIZED (
        SELECT a.patient_id, coalesce(min(a.assignment_id) FILTER (WHERE NOT a.emergency), min(a.assignment_id)) AS assignment_id,
            bool_and(a.emergency) AS emergency
        FROM patient_access a WHERE wanted_patient = 0 OR a.patient_id = wanted_patient
        GROUP BY a.patient_id
    ), pending AS MATERIALIZED (
        SELECT DISTINCT waiting.record_id
        FROM patients p CROSS JOIN LATERAL (
            SELECT s.record_id FROM search_pending s WHERE s.patient_id = p.patient_id AND (reads_private OR NOT s.private)
        ) AS waiting
        LIMIT pending_most + 1
    ), visible AS (
        SELECT s.record_id, s.visit_date, s.language, s.public, CASE WHEN reads_private THEN s.private END AS private, p.assignment_id, p.emergency
        FROM patients p CROSS JOIN LATERAL (
            SELECT * FROM record_search one
            WHERE one.patient_id = p.patient_id AND one.record_type = ANY (types) AND one.visit_date >= since AND one.visit_date < until
                AND one.record_id NOT IN (SELECT w.record_id FROM pending w)
        ) AS s
        UNION ALL
        SELECT s.record_id, s.visit_date, s.language, s.public, CASE WHEN reads_private THEN s.private END, p.assignment_id, p.emergency
        FROM record_vectors(ARRAY(SELECT w.record_id FROM pending w LIMIT pending_most), default_language) AS s
        JOIN patients p ON p.patient_id = s.patient_id
        WHERE s.record_type = ANY (types) AND s.visit_date >= since AND s.visit_date < until
    ), matches AS MATERIALIZED (
        SELECT v.record_id, v.visit_date, v.assignment_id, v.emergency, ts_rank_cd(one.vector, one.query) AS rank
        FROM visible v CROSS JOIN LATERAL (
            SELECT CASE WHEN v.private IS NULL THEN v.public ELSE v.public || v.private END AS vector,
                CASE v.language WHEN 'simple' THEN q_simple WHEN 'en' THEN q_en WHEN 'de' THEN q_de WHEN 'fr' THEN q_fr
                    WHEN 'es' THEN q_es WHEN 'ru' THEN q_ru END AS query
            OFFSET 0
        ) AS one
        WHERE one.vector @@ one.query
    ), page AS (
        (SELECT m.* FROM matches m
         WHERE NOT back AND (m.rank, m.visit_date, m.record_id) < (beyond_rank, beyond_date, beyond_id)
         ORDER BY m.rank DESC, m.visit_date DESC, m.record_id DESC LIMIT most)
        UNION ALL
        (SELECT m.* FROM matches m
         WHERE back AND (m.rank, m.visit_date, m.record_id) > (beyond_rank, beyond_date, beyond_id)
         ORDER BY m.rank, m.visit_date, m.record_id LIMIT most)
    )
    SELECT page.record_id, page.rank, page.assignment_id, page.emergency, whole.total,
        (SELECT count(*) FROM pending) <= pending_most AND (SELECT r.filled_at IS NOT NULL FROM search_reindex r)
    FROM (SELECT count(*) AS total FROM matches) AS whole LEFT JOIN page ON true
    ORDER BY CASE WHEN back THEN page.rank END, CASE WHEN back THEN page.visit_date END, CASE WHEN back THEN page.record_id END,
        page.rank DESC, page.visit_date DESC, page.record_id DESC;
END
$$;
-- +goose StatementEnd

-- The ids of the caller's latest records, from which suggestions come: without those entered in error, whose words find nothing.
-- +goose StatementBegin
CREATE FUNCTION latest_records(most integer) RETURNS SETOF bigint LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN QUERY
    SELECT one.id
    FROM (SELECT DISTINCT a.patient_id FROM patient_access a) AS p
    CROSS JOIN LATERAL (
        SELECT r.id, r.visit_date FROM health_records r
        WHERE r.patient_id = p.patient_id AND NOT starts_with(r.record_type, 'ENTERED_IN_ERROR:')
        ORDER BY r.visit_date DESC, r.id DESC LIMIT most
    ) AS one
    ORDER BY one.visit_date DESC, one.id DESC LIMIT most;
END
$$;
-- +goose StatementEnd

-- Computes the vectors of records. Only the two functions below call it, one of them at a time: of two that compute those of one
-- record at the same time, the one that read the record first could write last. It locks the records first, as those who delete
-- them do: an erasure deletes several, and would meet it in the other order.
-- +goose StatementBegin
CREATE FUNCTION index_records(ids bigint[], default_language text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM health_records r WHERE r.id = ANY (ids) ORDER BY r.id FOR KEY SHARE;
    INSERT INTO record_search AS s (record_id, patient_id, record_type, visit_date, language, public, private)
    SELECT v.record_id, v.patient_id, v.record_type, v.visit_date, v.language, v.public, v.private
    FROM record_vectors(ids, default_language) AS v ORDER BY v.record_id
    ON CONFLICT (record_id) DO UPDATE SET record_type = excluded.record_type, visit_date = excluded.visit_date,
        language = excluded.language, public = excluded.public, private = excluded.private;
END
$$;
-- +goose StatementEnd

-- Indexes records that wait, the oldest first, and returns how many rows it took. It returns 0 while another program indexes.
-- +goose StatementBegin
CREATE FUNCTION index_pending_records(most integer, default_language text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    ids   bigint[];
    taken bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('healthrecords.search', 0)) THEN
        RETURN 0;
    END IF;
    WITH waiting AS (
        DELETE FROM search_pending p
        WHERE p.id = ANY (ARRAY(SELECT w.id FROM search_pending w ORDER BY w.id LIMIT most FOR UPDATE SKIP LOCKED))
        RETURNING p.record_id
    )
    SELECT array_agg(DISTINCT w.record_id), count(*) INTO ids, taken FROM waiting w;
    IF taken > 0 THEN
        PERFORM index_records(ids, default_language);
    END IF;
    RETURN taken;
END
$$;
-- +goose StatementEnd

-- Indexes the next records of the run, and returns how many. It returns 0 when the run has ended, or while another program
-- indexes.
-- +goose StatementBegin
CREATE FUNCTION reindex_records(most integer, default_language text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    run search_reindex;
    ids bigint[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('healthrecords.search', 0)) THEN
        RETURN 0;
    END IF;
    SELECT * INTO run FROM search_reindex FOR NO KEY UPDATE;
    IF run.finished_at IS NOT NULL THEN
        RETURN 0;
    END IF;
    ids := ARRAY(SELECT r.id FROM health_records r WHERE r.id >= run.next_id AND r.id <= run.last_id ORDER BY r.id LIMIT most);
    IF cardinality(ids) = 0 THEN
        UPDATE search_reindex SET finished_at = now(), filled_at = coalesce(filled_at, now());
        RETURN 0;
    END IF;
    PERFORM index_records(ids, default_language);
    UPDATE search_reindex SET next_id = ids[cardinality(ids)] + 1, indexed = indexed + cardinality(ids);
    RETURN cardinality(ids);
END
$$;
-- +goose StatementEnd

-- The state of the index, for metrics and people. pending is the number of ids that wait: it can be a little too high.
-- +goose StatementBegin
CREATE FUNCTION search_state(OUT pending bigint, OUT oldest timestamptz, OUT next_id bigint, OUT last_id bigint, OUT indexed bigint,
    OUT started_at timestamptz, OUT finished_at timestamptz, OUT filled boolean)
LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC
    SELECT coalesce((SELECT max(p.id) FROM search_pending p) - (SELECT min(p.id) FROM search_pending p) + 1, 0),
        (SELECT p.at FROM search_pending p ORDER BY p.id LIMIT 1),
        r.next_id, r.last_id, r.indexed, r.started_at, r.finished_at, r.filled_at IS NOT NULL
    FROM search_reindex r;
END;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION search_query, search_marks, search_records, latest_records, index_records, index_pending_records,
    reindex_records, search_state FROM PUBLIC;

-- No temporary table can take the place of a table that these use.
-- +goose StatementBegin
DO $$
DECLARE
    function text;
BEGIN
    FOREACH function IN ARRAY ARRAY['search_query', 'search_marks', 'search_records', 'latest_records', 'index_records',
        'index_pending_records', 'reindex_records'] LOOP
        EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', function, current_schema());
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION search_state, reindex_records, index_pending_records, index_records, latest_records, search_records, search_marks, search_query;
