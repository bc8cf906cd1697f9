package store

// AccountKey finds an account before there is a caller. It is a statement that
// makes the account the transaction's user. Where no account has the key, the
// transaction has no user and sees nobody.
type AccountKey struct {
	sql string
	arg any
}

// ByUsername finds an account by its name, irrespective of case.
func ByUsername(name string) AccountKey {
	return AccountKey{"-- name: EnterByUsername\nSELECT set_config('healthrecords.user_id', account_named($1)::text, true)", name}
}

// ByRegistrationKey finds the account that was registered under an Idempotency-Key.
func ByRegistrationKey(key string) AccountKey {
	return AccountKey{"-- name: EnterByRegistrationKey\nSELECT set_config('healthrecords.user_id', account_registered_under($1)::text, true)", key}
}

// ByRefreshToken finds the account that owns the session of the token with the hash.
func ByRefreshToken(hash []byte) AccountKey {
	return AccountKey{`-- name: EnterByRefreshToken
SELECT set_config('healthrecords.user_id', (
	SELECT s.user_id FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.token_hash = $1)::text, true)`, hash}
}

// ByUserID finds the account with the id, which another key found before.
func ByUserID(id int64) AccountKey {
	return AccountKey{"-- name: EnterByUserID\nSELECT set_config('healthrecords.user_id', $1::bigint::text, true)", id}
}
