-- Locks a patient and returns whether their data was erased. Holds and erasures of a patient come one after the other.
-- name: LockPatient :one
SELECT erased::boolean FROM lock_patient(@id) AS erased;

-- Of a locked patient. A hold that there is gets the new reason.
-- name: PlaceLegalHold :one
INSERT INTO legal_holds AS h (patient_id, reason) VALUES (@patient_id, @reason)
ON CONFLICT (patient_id) DO UPDATE SET reason = excluded.reason, placed_by = excluded.placed_by, placed_at = excluded.placed_at
RETURNING h.patient_id, h.reason, h.placed_by, h.placed_at;

-- name: LiftLegalHold :execrows
DELETE FROM legal_holds WHERE patient_id = @patient_id;

-- name: GetLegalHold :one
SELECT h.patient_id, h.reason, h.placed_by, h.placed_at,
    h.patient_id AS seen_patient, NULL::bigint AS seen_through, false AS seen_in_emergency
FROM legal_holds h WHERE h.patient_id = @patient_id;

-- Of a locked patient, with the event that notifies the other administrators.
-- name: RequestErasure :exec
WITH request AS (
    INSERT INTO erasures (patient_id, reason) VALUES (@patient_id, @reason) RETURNING patient_id, requested_by
)
INSERT INTO outbox (type, user_id, actor_id)
SELECT 'erasure.requested', p.user_id, r.requested_by FROM request r JOIN patient_profiles p ON p.id = r.patient_id;

-- Of a locked patient. No row if the erasure was carried out.
-- name: WithdrawErasure :execrows
DELETE FROM erasures WHERE patient_id = @patient_id AND erased_at IS NULL;

-- name: ErasePatient :one
SELECT erase_patient(@patient_id)::text AS outcome;

-- name: GetErasure :one
SELECT sqlc.embed(e), e.patient_id AS seen_patient, NULL::bigint AS seen_through, false AS seen_in_emergency
FROM erasures e WHERE e.patient_id = @patient_id;

-- name: ListErasures :many
WITH page AS (
    SELECT e.id FROM erasures e WHERE e.id </*beyond*/ @beyond_id::bigint
    ORDER BY e.id DESC/*order*/ LIMIT @most OFFSET @skip
), everybody AS (
    SELECT e.id FROM erasures e ORDER BY e.id LIMIT @count_up_to::bigint
)
SELECT sqlc.embed(e), (SELECT count(*) FROM everybody)::bigint AS total,
    e.patient_id AS seen_patient, NULL::bigint AS seen_through, false AS seen_in_emergency
FROM page JOIN LATERAL (SELECT one.* FROM erasures one WHERE one.id = page.id OFFSET 0) AS e ON true
ORDER BY page.id DESC/*order*/;

-- name: CountErasures :one
WITH everybody AS (
    SELECT e.id FROM erasures e ORDER BY e.id LIMIT @count_up_to::bigint
)
SELECT count(*) FROM everybody;

-- name: UsernameOfPatient :one
SELECT u.username FROM users u JOIN patient_profiles p ON p.user_id = u.id WHERE p.id = @id;

-- Removes records that were deleted before the time, at most that many, and returns how many.
-- name: RemoveDeletedRecords :one
SELECT remove_deleted_records(@before, @most)::bigint AS removed;
