-- +goose Up

-- No temporary table can take the place of a table that the function uses with
-- its owner's rights: a trigger on it would run with them, too.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_prepare_months() SET search_path = %I, pg_temp', current_schema());
END
$$;
-- +goose StatementEnd

-- +goose Down
ALTER FUNCTION audit_prepare_months() SET search_path FROM CURRENT;
