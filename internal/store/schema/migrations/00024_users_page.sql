-- +goose Up

-- As users_found in 00015, which a former release still calls, but it counts the users that match up to a limit.
-- +goose StatementBegin
CREATE FUNCTION users_page(pattern text, wanted_role text, wanted_active boolean, wanted_verified boolean, beyond bigint, back boolean,
    most integer, skip integer, count_up_to bigint)
RETURNS TABLE (id bigint, total bigint) LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20 AS $$
DECLARE
    found text := 'SELECT u.id FROM users u'
        || CASE WHEN wanted_verified THEN ' JOIN doctor_profiles d ON d.user_id = u.id AND d.verified_at IS NOT NULL'
            WHEN NOT wanted_verified THEN ' JOIN doctor_profiles d ON d.user_id = u.id AND d.verified_at IS NULL' ELSE '' END
        || ' WHERE true'
        || CASE WHEN pattern <> '' THEN ' AND ((u.first_name || '' '' || u.last_name || '' '' || u.username) ILIKE $1 OR u.email ILIKE $1)' ELSE '' END
        || CASE WHEN wanted_role <> '' THEN ' AND u.role = $2' ELSE '' END
        || CASE WHEN wanted_active THEN ' AND u.active' WHEN NOT wanted_active THEN ' AND NOT u.active' ELSE '' END;
    matching bigint;
BEGIN
    IF caller_role() IS DISTINCT FROM 'ADMIN' THEN
        RETURN;
    END IF;
    EXECUTE 'SELECT count(*) FROM (' || found || ' LIMIT $3) AS found' INTO matching USING pattern, wanted_role, count_up_to;
    RETURN QUERY EXECUTE 'SELECT found.id, $6 FROM (' || found
        || CASE WHEN back THEN ' AND u.id < $3 ORDER BY u.id DESC' ELSE ' AND u.id > $3 ORDER BY u.id' END
        || ' LIMIT $4 OFFSET $5) AS found'
        USING pattern, wanted_role, beyond, most, skip, matching;
END
$$;

-- No temporary table can take the place of a table that it reads.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION users_page SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION users_page FROM PUBLIC;

-- +goose Down
DROP FUNCTION users_page;
