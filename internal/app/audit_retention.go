package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/auditlog"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/token"
)

func newAuditRetentionCommand() *cobra.Command {
	var before string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "retention",
		Short: "Drop months of the audit log whose retention period has ended",
		Long: "Drop whole months that ended at least AUDIT_RETENTION_YEARS ago (six years or more), and sign a\n" +
			"checkpoint that records which rows they had. The database user must own the schema.\n\n" + settings.Usage(&settings.Audit{}),
		Args: takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return applyRetention(cmd, before, dryRun)
		},
	}
	cmd.Flags().StringVar(&before, "before", "", "drop only months that ended before this day, YYYY-MM-DD, and whose retention period has ended")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only list the months that would be dropped")
	return cmd
}

func applyRetention(cmd *cobra.Command, before string, dryRun bool) error {
	var cfg settings.Audit
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	if !dryRun && cfg.KeysDir == "" {
		return errors.New("AUDIT_KEYS_DIR: is not set; set it to the directory of the worker's audit keys")
	}
	db, err := openMigratedDB(cmd.Context(), cfg.Database)
	if err != nil {
		return err
	}
	defer db.Close()
	opts := auditlog.RetentionOptions{DB: db, Years: cfg.RetentionYears}
	if !dryRun {
		keys, err := token.LoadKeys(cfg.KeysDir)
		if err != nil {
			return fmt.Errorf("loading the audit keys, AUDIT_KEYS_DIR: %w", err)
		}
		opts.Key = keys.SigningKey
	}
	retention, err := auditlog.NewRetention(opts)
	if err != nil {
		return fmt.Errorf("setting up the retention: %w", err)
	}
	cut := retention.Limit()
	if before != "" {
		if cut, err = time.Parse(time.DateOnly, before); err != nil {
			return errors.New("--before must be a day: YYYY-MM-DD")
		}
	}
	apply, done := retention.Drop, "dropped"
	if dryRun {
		apply, done = retention.Due, "would drop"
	}
	names, err := apply(cmd.Context(), cut)
	if err != nil {
		return fmt.Errorf("applying the retention: %w", err)
	}
	for _, name := range names {
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), done, name)
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s %d months\n", done, len(names))
	return nil
}
