-- Draws the id of the account to be made, and makes it the transaction's user.
-- name: EnterNewUser :one
SELECT set_config('healthrecords.user_id', nextval(pg_get_serial_sequence('users', 'id'))::text, true)::bigint;

-- name: CreateUser :one
INSERT INTO users (id, username, email, first_name, last_name, phone_number, role, password_hash)
OVERRIDING SYSTEM VALUE
VALUES (@id, @username, @email, @first_name, @last_name, @phone_number, @role, @password_hash)
RETURNING created_at;

-- name: CreatePatient :exec
INSERT INTO patient_profiles (user_id, date_of_birth, blood_type, address, emergency_contact)
VALUES (@user_id, @date_of_birth, @blood_type, @address, @emergency_contact);

-- Without a license number the doctor gets one derived from the profile's id, plus
-- something random where that number is taken.
-- name: CreateDoctor :exec
INSERT INTO doctor_profiles (id, user_id, specialization, license_number, years_of_experience, verified_at)
OVERRIDING SYSTEM VALUE
SELECT n.id, @user_id, @specialization,
    CASE
        WHEN @license_number::text <> '' THEN @license_number
        WHEN EXISTS (SELECT FROM doctor_profiles d WHERE license_key(d.license_number) = license_key(n.license_number) AND NOT d.license_twin)
            THEN n.license_number || '-' || left(gen_random_uuid()::text, 8)
        ELSE n.license_number
    END,
    @years_of_experience, CASE WHEN @verified::boolean THEN now() END
FROM (
    SELECT s.id, 'DOC' || lpad(s.id::text, greatest(6, length(s.id::text)), '0') AS license_number
    FROM (SELECT nextval(pg_get_serial_sequence('doctor_profiles', 'id')) AS id) AS s
) AS n;

-- The event of a doctor who waits for their verification. The policy finds their profile only in
-- a statement after the one that makes it.
-- name: TellOfRegistration :exec
INSERT INTO outbox (type, doctor_id) SELECT 'doctor.registered', d.id FROM doctor_profiles d WHERE d.user_id = @user_id;

-- The credentials of the transaction's user.
-- name: GetCredentials :one
SELECT sqlc.embed(a), u.password_hash, u.credentials_version, has_second_factor(u.id) AS second_factor
FROM users u JOIN accounts a ON a.id = u.id
WHERE u.id = caller_id('user');

-- name: CredentialsByRegistrationKey :one
SELECT sqlc.embed(a), u.password_hash, u.credentials_version, has_second_factor(u.id) AS second_factor, k.request_hash
FROM idempotency_keys k JOIN users u ON u.id = k.user_id JOIN accounts a ON a.id = u.id
WHERE k.operation = 'register' AND k.key = @key;

-- name: KeepRegistrationKey :exec
INSERT INTO idempotency_keys (user_id, operation, key, request_hash) VALUES (@user_id, 'register', @key, @request_hash);

-- Only when the password was not changed meanwhile.
-- name: ChangePassword :execrows
UPDATE users SET password_hash = @password_hash, credentials_version = credentials_version + 1, updated_at = now()
WHERE id = @id AND credentials_version = @credentials_version;

-- Only when the password was not changed meanwhile.
-- name: UpgradePasswordHash :exec
UPDATE users SET password_hash = @new_hash WHERE id = @id AND password_hash = @old_hash;

-- name: LockAdmins :many
SELECT id::bigint FROM lock_admins() AS id;

-- name: SetUserActive :execrows
SELECT set_user_active(@id, @active);

-- name: GetAccount :one
SELECT * FROM accounts WHERE id = @id;

-- name: PatientByUser :one
SELECT sqlc.embed(p), sqlc.embed(a), p.id AS seen_patient, NULL::bigint AS seen_through, false AS seen_in_emergency
FROM patient_profiles p JOIN accounts a ON a.id = p.user_id
WHERE p.user_id = @user_id;

-- name: DoctorByUser :one
SELECT sqlc.embed(d), sqlc.embed(a), n.first_name AS pending_first, n.last_name AS pending_last
FROM doctor_profiles d JOIN accounts a ON a.id = d.user_id LEFT JOIN pending_names n ON n.user_id = d.user_id
WHERE d.user_id = @user_id;

-- The next three lock what an account's profile shows until the transaction ends: of a doctor, also the verification and the
-- pending name, see LockDoctor.
-- name: LockUser :exec
SELECT FROM users u WHERE u.id = @id FOR NO KEY UPDATE;

-- name: LockPatientOfUser :exec
SELECT FROM patient_profiles p WHERE p.user_id = @user_id FOR NO KEY UPDATE;

-- name: LockDoctorOfUser :exec
SELECT FROM doctor_profiles d WHERE d.user_id = @user_id FOR NO KEY UPDATE;

-- name: UpdateUser :exec
UPDATE users SET
    email = coalesce(sqlc.narg('email'), email),
    first_name = coalesce(sqlc.narg('first_name'), first_name),
    last_name = coalesce(sqlc.narg('last_name'), last_name),
    phone_number = coalesce(sqlc.narg('phone_number'), phone_number),
    updated_at = now()
WHERE id = @id;

-- name: UpdatePatient :exec
UPDATE patient_profiles SET
    date_of_birth = CASE WHEN @set_date_of_birth::boolean THEN sqlc.narg('date_of_birth') ELSE date_of_birth END,
    blood_type = coalesce(sqlc.narg('blood_type'), blood_type),
    address = coalesce(sqlc.narg('address'), address),
    emergency_contact = coalesce(sqlc.narg('emergency_contact'), emergency_contact)
WHERE user_id = @user_id;

-- The verification is of the license number: another number has to be verified anew.
-- Others know a doctor who is verified or was ever assigned. The answer to that does not
-- change until the transaction ends, see LockDoctor.
-- name: UpdateDoctor :one
WITH before AS (
    SELECT d.id, d.verified_at FROM doctor_profiles d WHERE d.user_id = @user_id FOR NO KEY UPDATE
), changed AS (
    UPDATE doctor_profiles d SET
        specialization = coalesce(sqlc.narg('specialization')::text, d.specialization),
        license_number = coalesce(sqlc.narg('license_number')::text, d.license_number),
        years_of_experience = coalesce(sqlc.narg('years_of_experience')::integer, d.years_of_experience),
        verified_at = CASE
            WHEN license_key(sqlc.narg('license_number')::text) <> license_key(d.license_number) AND NOT @keep_verified::boolean THEN NULL
            ELSE d.verified_at
        END
    WHERE d.id = (SELECT before.id FROM before)
    RETURNING d.id, d.verified_at
), event AS (
    INSERT INTO outbox (type, doctor_id)
    SELECT 'doctor.unverified' AS type, changed.id FROM changed JOIN before ON before.id = changed.id
    WHERE before.verified_at IS NOT NULL AND changed.verified_at IS NULL
)
SELECT (verified_at IS NOT NULL OR EXISTS (SELECT FROM assignments a WHERE a.doctor_id = changed.id))::boolean AS known FROM changed;

-- name: AskForName :exec
WITH request AS (
    INSERT INTO pending_names (user_id, first_name, last_name) VALUES (@user_id, @first_name, @last_name)
)
INSERT INTO outbox (type, doctor_id) VALUES ('doctor.name_requested', @doctor_id::bigint);

-- name: DecideName :execrows
SELECT decide_name(@doctor_id, @approved);

-- For a locked doctor: what the statement reads stays true.
-- name: VerifyDoctor :exec
WITH changed AS (
    UPDATE doctor_profiles d SET verified_at = CASE WHEN @verified::boolean THEN now() END
    WHERE d.id = @id::bigint AND (d.verified_at IS NOT NULL) <> @verified::boolean
    RETURNING d.id
)
INSERT INTO outbox (type, doctor_id)
SELECT CASE WHEN @verified::boolean THEN 'doctor.verified' ELSE 'doctor.unverified' END AS type, changed.id FROM changed;

-- For an active or inactive account, see LockDoctor.
-- name: LockDoctorProfile :execrows
SELECT FROM doctor_profiles d WHERE d.id = @id FOR NO KEY UPDATE OF d;

-- As in ListDoctors: the unlisted and the pending names are for administrators.
-- name: DoctorByID :one
SELECT sqlc.embed(d), sqlc.embed(a), n.first_name AS pending_first, n.last_name AS pending_last
FROM doctor_profiles d JOIN accounts a ON a.id = d.user_id LEFT JOIN pending_names n ON n.user_id = d.user_id AND @unlisted::boolean
WHERE d.id = @id AND (@unlisted::boolean OR d.verified_at IS NOT NULL AND a.active);
