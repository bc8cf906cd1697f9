-- +goose Up

-- unaccent makes é and e one letter for the search; it is a trusted extension, as btree_gist in 00001.
CREATE EXTENSION IF NOT EXISTS unaccent;

-- The words of a text, in lower case and with single characters between them that are no words: as many characters as the text
-- has, so that a place in one is the place in the other. ICU knows the letters of all scripts, whatever the locale of the
-- database is. İ would become two characters.
CREATE FUNCTION search_text(plain text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(lower(replace(plain, 'İ', 'I') COLLATE "und-x-icu") COLLATE "und-x-icu", '[^[:alnum:]]', ' ', 'g');

-- The letters of a word, to compare it with others by pg_trgm, which in some locales knows no letters but those of English: each
-- Cyrillic letter becomes one of those, or a digit.
CREATE FUNCTION search_letters(word text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN translate(unaccent(word), 'абвгдежзийклмнопрстуфхцчшщъыьэюя', 'abvgdejzi1klmnoprstufhc2w34y567q');

-- How similar two words are, from 0 to 1. The function of pg_trgm is found when this one is made: it may be in a schema that parts
-- of the platform cannot use.
CREATE FUNCTION search_likeness(one text, other text) RETURNS real LANGUAGE sql STABLE PARALLEL SAFE
RETURN similarity(one, other);

-- A configuration for each language, and one without word forms. All ignore accents.
CREATE TEXT SEARCH CONFIGURATION healthrecords_simple (PARSER = pg_catalog."default");
ALTER TEXT SEARCH CONFIGURATION healthrecords_simple
    ADD MAPPING FOR asciiword, word, numword, int, uint, float, sfloat, version WITH unaccent, pg_catalog.simple;
CREATE TEXT SEARCH CONFIGURATION healthrecords_en (COPY = healthrecords_simple);
ALTER TEXT SEARCH CONFIGURATION healthrecords_en ALTER MAPPING FOR asciiword, word WITH unaccent, pg_catalog.english_stem;
CREATE TEXT SEARCH CONFIGURATION healthrecords_de (COPY = healthrecords_simple);
ALTER TEXT SEARCH CONFIGURATION healthrecords_de ALTER MAPPING FOR asciiword, word WITH unaccent, pg_catalog.german_stem;
CREATE TEXT SEARCH CONFIGURATION healthrecords_fr (COPY = healthrecords_simple);
ALTER TEXT SEARCH CONFIGURATION healthrecords_fr ALTER MAPPING FOR asciiword, word WITH unaccent, pg_catalog.french_stem;
CREATE TEXT SEARCH CONFIGURATION healthrecords_es (COPY = healthrecords_simple);
ALTER TEXT SEARCH CONFIGURATION healthrecords_es ALTER MAPPING FOR asciiword, word WITH unaccent, pg_catalog.spanish_stem;
CREATE TEXT SEARCH CONFIGURATION healthrecords_ru (COPY = healthrecords_simple);
ALTER TEXT SEARCH CONFIGURATION healthrecords_ru ALTER MAPPING FOR word WITH unaccent, pg_catalog.russian_stem;
ALTER TEXT SEARCH CONFIGURATION healthrecords_ru ALTER MAPPING FOR asciiword WITH unaccent, pg_catalog.english_stem;

-- What the search reads of each record. Private comments have a vector of their own, which no statement of a patient reads. The
-- language is the one of these vectors: a query uses the same. There is no index of the words: row-level security would keep a
-- statement from using it. Rows stay uncompressed in their place, because a search reads all rows of its caller.
CREATE TABLE record_search (
    record_id   bigint      NOT NULL,
    patient_id  bigint      NOT NULL,
    record_type text        NOT NULL,
    visit_date  timestamptz NOT NULL,
    language    text        NOT NULL,
    public      tsvector    NOT NULL,
    private     tsvector, -- null: no private comments
    CONSTRAINT record_search_pkey PRIMARY KEY (record_id)
) WITH (toast_tuple_target = 8160);
ALTER TABLE record_search ALTER COLUMN public SET STORAGE EXTERNAL, ALTER COLUMN private SET STORAGE EXTERNAL;
CREATE INDEX record_search_patient_idx ON record_search (patient_id);

-- Records whose vectors are to be computed, which would slow their writers down. A search computes those of its caller itself.
CREATE TABLE search_pending (
    id         bigint GENERATED ALWAYS AS IDENTITY,
    record_id  bigint      NOT NULL,
    patient_id bigint      NOT NULL,
    private    boolean     NOT NULL, -- only private comments changed: a search of the patient ignores the row
    at         timestamptz NOT NULL DEFAULT statement_timestamp(),
    CONSTRAINT search_pending_pkey PRIMARY KEY (id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX search_pending_patient_idx ON search_pending (patient_id);

-- The one run that computes all vectors: of the records from before this migration, or after a change of the default language.
CREATE TABLE search_reindex (
    only_row    boolean     NOT NULL DEFAULT true,
    next_id     bigint      NOT NULL DEFAULT 0, -- where it goes on
    last_id     bigint      NOT NULL, -- where it ends
    indexed     bigint      NOT NULL DEFAULT 0, -- records so far
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    filled_at   timestamptz, -- when the first run had computed the vectors of every record
    CONSTRAINT search_reindex_pkey PRIMARY KEY (only_row),
    CONSTRAINT search_reindex_only_row CHECK (only_row)
);

ALTER TABLE record_search ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON record_search TO CURRENT_USER USING (true);
ALTER TABLE search_pending ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON search_pending TO CURRENT_USER USING (true);
ALTER TABLE search_reindex ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON search_reindex TO CURRENT_USER USING (true);

-- The words of a text in the forms of a language, and as they are.
CREATE FUNCTION search_words(language text, plain text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE language
    WHEN 'en' THEN to_tsvector('healthrecords_en', search_text(plain))
    WHEN 'de' THEN to_tsvector('healthrecords_de', search_text(plain))
    WHEN 'fr' THEN to_tsvector('healthrecords_fr', search_text(plain))
    WHEN 'es' THEN to_tsvector('healthrecords_es', search_text(plain))
    WHEN 'ru' THEN to_tsvector('healthrecords_ru', search_text(plain))
    ELSE to_tsvector('healthrecords_simple', search_text(plain))
END;

-- The vector of texts in their order, most important first. The words of different texts are far from each other, so that no
-- phrase begins in one and ends in the next: ¶ is a word that no text has, and keeps the distance.
-- +goose StatementBegin
CREATE FUNCTION search_vector(language text, texts text[], weights "char"[]) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    form   text;
    vector tsvector := '';
BEGIN
    FOREACH form IN ARRAY CASE language WHEN 'simple' THEN ARRAY['simple'] ELSE ARRAY[language, 'simple'] END LOOP
        FOR i IN 1..cardinality(texts) LOOP
            CONTINUE WHEN coalesce(texts[i], '') = '';
            vector := vector || setweight(search_words(form, texts[i]), weights[i]) || '''¶'':8'::tsvector;
        END LOOP;
    END LOOP;
    RETURN ts_delete(vector, '¶');
END
$$;
-- +goose StatementEnd

-- Says what of a record is searched, and nothing else does: whatever joins later, such as attachments, joins here. Of the comments,
-- these are the latest 20,000 characters: a vector has at most a megabyte, and a record that exceeded it could not be indexed.
-- +goose StatementBegin
CREATE FUNCTION record_vectors(ids bigint[], default_language text)
RETURNS TABLE (record_id bigint, patient_id bigint, record_type text, visit_date timestamptz, language text, public tsvector, private tsvector)
LANGUAGE plpgsql STABLE ROWS 10 AS $$
BEGIN
    RETURN QUERY
    SELECT r.id, r.patient_id, r.record_type, r.visit_date, coalesce(r.language, default_language),
        search_vector(coalesce(r.language, default_language),
            ARRAY[r.title, r.diagnosis, r.description, r.symptoms, r.treatment, r.medications, comments.public], '{A,B,C,C,C,C,D}'),
        CASE WHEN comments.private <> '' THEN search_vector(coalesce(r.language, default_language), ARRAY[comments.private], '{D}') END
    FROM unnest(ids) AS wanted (id)
    JOIN health_records r ON r.id = wanted.id
    CROSS JOIN LATERAL (
        SELECT right(string_agg(c.comment, ' ' ORDER BY c.id) FILTER (WHERE NOT c.is_private), 20000) AS public,
            right(string_agg(c.comment, ' ' ORDER BY c.id) FILTER (WHERE c.is_private), 20000) AS private
        FROM doctor_comments c WHERE c.record_id = r.id
    ) AS comments;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION record_to_index() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO search_pending (record_id, patient_id, private) VALUES (NEW.id, NEW.patient_id, false);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION comment_to_index() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO search_pending (record_id, patient_id, private) VALUES (OLD.record_id, OLD.patient_id, OLD.is_private);
    ELSE
        INSERT INTO search_pending (record_id, patient_id, private)
        VALUES (NEW.record_id, NEW.patient_id, NEW.is_private AND (TG_OP = 'INSERT' OR OLD.is_private));
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION search_text, search_letters, search_likeness, search_words, search_vector, record_vectors, record_to_index, comment_to_index FROM PUBLIC;

-- No temporary table can take the place of a table that these use.
-- +goose StatementBegin
DO $$
DECLARE
    function text;
BEGIN
    FOREACH function IN ARRAY ARRAY['search_vector', 'record_vectors', 'record_to_index', 'comment_to_index'] LOOP
        EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', function, current_schema());
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION record_to_index, comment_to_index, record_vectors, search_vector, search_words;
DROP TABLE record_search, search_pending, search_reindex;
DROP TEXT SEARCH CONFIGURATION healthrecords_en, healthrecords_de, healthrecords_fr, healthrecords_es, healthrecords_ru, healthrecords_simple;
DROP FUNCTION search_likeness, search_letters, search_text;
