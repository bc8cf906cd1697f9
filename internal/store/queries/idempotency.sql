-- The row is locked for the transaction; a concurrent request with the same key waits here for
-- its end. Every committed row has an answer, so a row without one was inserted just now.
-- name: ClaimIdempotencyKey :one
INSERT INTO idempotency_keys AS k (user_id, operation, key, request_hash)
VALUES (@user_id, @operation, @key, @request_hash)
ON CONFLICT (user_id, operation, key) DO UPDATE SET key = excluded.key
RETURNING k.request_hash, k.answer;

-- name: AnswerIdempotencyKey :exec
UPDATE idempotency_keys SET answer = @answer
WHERE user_id = @user_id AND operation = @operation AND key = @key;

-- An array, as in TrimEvents.
-- name: TrimIdempotencyKeys :execrows
DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
    SELECT o.ctid FROM idempotency_keys o WHERE o.created_at < @before ORDER BY o.created_at LIMIT @most::bigint
));
