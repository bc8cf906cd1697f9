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
		Short: "Drop the months of the audit log that are older than the policy keeps",
		Long: "Drop whole months that ended AUDIT_RETENTION_YEARS ago or earlier, six years at least, and sign a\n" +
			"checkpoint that says which rows they had. It takes the owner of the schema.\n\n" + settings.Usage(&settings.Audit{}),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return applyRetention(cmd, before, dryRun)
		},
	}
	cmd.Flags().StringVar(&before, "before", "", "a day, YYYY-MM-DD: drop only what is older than this, and than the policy")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only name what would be dropped")
	return cmd
}

func applyRetention(cmd *cobra.Command, before string, dryRun bool) error {
	var cfg settings.Audit
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	if !dryRun && cfg.KeysDir == "" {
		return errors.New("AUDIT_KEYS_DIR: is not set; name the directory of the worker's audit keys")
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
		return fmt.Errorf("making the retention: %w", err)
	}
	cut := retention.Limit()
	if before != "" {
		if cut, err = time.Parse(time.DateOnly, before); err != nil {
			return errors.New("--before is no day: write YYYY-MM-DD")
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
