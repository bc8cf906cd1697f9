package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/telemetry"
)

func newMigrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database schema to this version",
		Long: "Run the missing migrations. A lock lets only one process migrate at a time; others wait. Then log the ids of stored\n" +
			"texts that break a newer rule, and create or update the database role of each part whose password is set.\n\n" + settings.Usage(&settings.Migrate{}),
		Args: takesNoArguments,
		RunE: runMigrate,
	}
}

func runMigrate(cmd *cobra.Command, _ []string) error {
	ctx := cmd.Context()
	var cfg settings.Migrate
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	slog.SetDefault(telemetry.NewLogger(cmd.ErrOrStderr(), cfg.Common.LogLevel, cfg.Common.LogFormat))
	url := cfg.Database.ConnString().Reveal()
	if err := schema.Migrate(ctx, url); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(cmd.OutOrStdout(), "the schema is up to date")
	reportOddTexts(ctx, url)
	logins := loginsOf(cfg)
	if err := schema.EnsureRoles(ctx, url, logins); err != nil {
		return fmt.Errorf("setting up the parts' database roles: %w", err)
	}
	for _, l := range logins {
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "the role %s has the rights of the %s\n", l.Role, l.Part)
	}
	return nil
}

// reportOddTexts logs texts that were valid in an earlier release only, so that
// their owners can change them. Nothing depends on it, so a failure is only logged.
func reportOddTexts(ctx context.Context, url string) {
	err := schema.OddTexts(ctx, url, func(odd schema.OddText) {
		slog.WarnContext(ctx, "a stored text breaks a rule for new texts", "table", odd.Table, "column", odd.Column, "id", odd.ID, "rule", odd.Rule)
	})
	if err != nil {
		slog.WarnContext(ctx, "stored texts could not be checked", "error", err)
	}
}

// loginsOf returns the roles of the parts whose passwords are set.
func loginsOf(cfg settings.Migrate) (result []schema.Login) {
	for _, l := range []schema.Login{
		{Part: schema.PartServer, Role: cfg.ServerRole, Password: cfg.ServerPassword.Reveal()},
		{Part: schema.PartWorker, Role: cfg.WorkerRole, Password: cfg.WorkerPassword.Reveal()},
		{Part: schema.PartController, Role: cfg.ControllerRole, Password: cfg.ControllerPassword.Reveal()},
	} {
		if l.Password != "" {
			result = append(result, l)
		}
	}
	return result
}
