package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// OddText is a stored text that would be refused today.
type OddText struct {
	Table, Column string
	ID            int64
	Rule          string // the rule for new ones; it quotes nothing
}

// oddText describes where such texts may be: in columns that other people's lists show.
type oddText struct {
	table, column, where string
	check                func(text string) (rules []string)
}

func oddTexts() []oddText {
	optional := func(text string) []string { return clinic.CheckLine(text, 0) }
	required := func(text string) []string { return clinic.CheckLine(text, 1) }
	twin := func(string) []string { return []string{"another doctor has this license number in another spelling"} }
	return []oddText{
		{"users", "email", "true", optional},
		{"users", "first_name", "true", optional},
		{"users", "last_name", "true", optional},
		{"doctor_profiles", "specialization", "true", optional},
		{"doctor_profiles", "license_number", "true", clinic.CheckLicense},
		{"doctor_profiles", "license_number", "license_twin", twin},
		{"health_records", "title", "true", required},
		{"assignments", "reason", "source <> 'break_glass'", optional},
		{"assignments", "reason", "source = 'break_glass'", required},
	}
}

// OddTexts searches the database at url, as its owner, and reports each text
// that breaks a present rule. It reads each row of these tables once.
func OddTexts(ctx context.Context, url string, report func(OddText)) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connecting: %w", clinic.Unavailable(err))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, where := range oddTexts() {
		rows, err := conn.Query(ctx, "SELECT id, "+where.column+" FROM "+where.table+" WHERE "+where.where+" ORDER BY id")
		if err != nil {
			return fmt.Errorf("reading texts: %w", clinic.Internal(err))
		}
		var id int64
		var text string
		_, err = pgx.ForEachRow(rows, []any{&id, &text}, func() error {
			for _, rule := range where.check(text) {
				report(OddText{Table: where.table, Column: where.column, ID: id, Rule: rule})
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading texts: %w", clinic.Internal(err))
		}
	}
	return nil
}
