-- +goose Up

-- As in 00006, but the account's row is locked first: a concurrent login has then either
-- started its session or finds the account disabled. In one statement, the
-- deletion did not see a session that was started while the statement waited; the session
-- became valid again when the account was enabled.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION set_user_active(account bigint, activity boolean) RETURNS SETOF bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM FROM users u WHERE caller_role() = 'ADMIN' AND u.id = account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    DELETE FROM sessions s USING users u WHERE s.user_id = account AND u.id = account AND u.active <> activity;
    RETURN QUERY UPDATE users changed SET active = activity, updated_at = now() WHERE changed.id = account RETURNING changed.id;
END
$$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION set_user_active SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION set_user_active(account bigint, activity boolean) RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC
    WITH ended AS (
        DELETE FROM sessions s USING users u
        WHERE caller_role() = 'ADMIN' AND s.user_id = u.id AND u.id = account AND u.active <> activity
    )
    UPDATE users changed SET active = activity, updated_at = now()
    WHERE caller_role() = 'ADMIN' AND changed.id = account RETURNING changed.id;
END;
-- +goose StatementEnd
