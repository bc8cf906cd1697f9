package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/token"
)

// newSessions starts sessions of patients who do nothing else, and returns their refresh tokens.
func (s *stage) newSessions(ctx context.Context, to target, count int) ([]string, error) {
	var tokens []string
	var hashes [][]byte
	var users []int64
	for i := range count {
		refresh, hash := token.NewRefresh()
		patient := to.population.caller(refreshing, i%to.population.callers())
		tokens, hashes, users = append(tokens, refresh), append(hashes, hash), append(users, to.population.userOfPatient(patient))
	}
	connection, err := pgx.Connect(ctx, s.postgres.DSN(to.database))
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	defer connection.Close(context.WithoutCancel(ctx))
	_, err = connection.Exec(ctx, `WITH made AS (
			INSERT INTO sessions (user_id, expires_at) SELECT u, now() + interval '7 days' FROM unnest($1::bigint[]) AS u RETURNING id
		)
		INSERT INTO refresh_tokens (session_id, token_hash, expires_at)
		SELECT s.id, h.hash, now() + interval '7 days'
		FROM (SELECT id, row_number() OVER () AS place FROM made) AS s
		JOIN unnest($2::bytea[]) WITH ORDINALITY AS h (hash, place) USING (place)`, users, hashes)
	if err != nil {
		return nil, fmt.Errorf("starting sessions: %w", err)
	}
	return tokens, nil
}
