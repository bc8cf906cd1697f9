package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/auditlog"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/token"
)

func newAuditCommand() *cobra.Command {
	return newParent("audit", "Verify, export and drop the audit log",
		newAuditVerifyCommand(), newAuditExportCommand(), newAuditCheckpointCommand(), newAuditRetentionCommand())
}

// withChain opens the database as the settings say and calls use with its chain.
func withChain(ctx context.Context, signs bool, use func(*auditlog.Chain, settings.Audit) error) error {
	var cfg settings.Audit
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	if signs && cfg.KeysDir == "" {
		return errors.New("AUDIT_KEYS_DIR: is not set; name the directory of the worker's audit keys")
	}
	db, err := openMigratedDB(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer db.Close()
	if !signs {
		return use(auditlog.NewChain(db, nil), cfg)
	}
	keys, err := token.LoadKeys(cfg.KeysDir)
	if err != nil {
		return fmt.Errorf("loading the audit keys, AUDIT_KEYS_DIR: %w", err)
	}
	return use(auditlog.NewChain(db, keys.SigningKey), cfg)
}

func newAuditCheckpointCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Print the newest signed checkpoint",
		Long: "Print the newest checkpoint as a line of JSON. Keep it where nobody can change it who can change the\n" +
			"database: `healthrecords audit verify --checkpoint FILE` then finds out when the log was cut off.\n\n" + settings.Usage(&settings.Audit{}),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withChain(cmd.Context(), false, func(chain *auditlog.Chain, _ settings.Audit) error {
				newest, err := chain.Newest(cmd.Context())
				if err != nil {
					return fmt.Errorf("reading the newest checkpoint: %w", err)
				}
				return json.NewEncoder(cmd.OutOrStdout()).Encode(newest)
			})
		},
	}
}

func newAuditExportCommand() *cobra.Command {
	var from, to, output string
	cmd := &cobra.Command{
		Use:   "export --output FILE",
		Short: "Write sealed rows with their checkpoints, which verify without the database",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			since, until, err := period(from, to)
			if err != nil {
				return err
			}
			return withChain(cmd.Context(), false, func(chain *auditlog.Chain, _ settings.Audit) error {
				return exportAudit(cmd, chain, output, since, until)
			})
		},
	}
	cmd.Long = cmd.Short + ", as JSON lines.\n\n" + settings.Usage(&settings.Audit{})
	cmd.Flags().StringVar(&from, "from", "", "first day of sealing, YYYY-MM-DD in UTC; all by default")
	cmd.Flags().StringVar(&to, "to", "", "last day of sealing")
	cmd.Flags().StringVar(&output, "output", "", "file to write, which must not be there; - for standard output (required)")
	_ = cmd.MarkFlagRequired("output") // fails only for a flag that is not defined
	return cmd
}

func exportAudit(cmd *cobra.Command, chain *auditlog.Chain, output string, since, until time.Time) (err error) {
	out := cmd.OutOrStdout()
	if output != "-" {
		file, err := os.OpenFile(output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
		if err != nil {
			return fmt.Errorf("making the export: %w", err)
		}
		written, err := chain.Export(cmd.Context(), file, since, until, progressOf(cmd.ErrOrStderr()))
		if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
			return fmt.Errorf("exporting: %w", errors.Join(err, os.Remove(output)))
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "exported %d rows\n", written)
		return nil
	}
	if _, err := chain.Export(cmd.Context(), out, since, until, progressOf(cmd.ErrOrStderr())); err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	return nil
}

// period reads two days; an empty one does not bound it.
func period(from, to string) (since, until time.Time, err error) {
	until = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	if from != "" {
		if since, err = time.Parse(time.DateOnly, from); err != nil {
			return since, until, errors.New("--from is no day: write YYYY-MM-DD")
		}
	}
	if to != "" {
		if until, err = time.Parse(time.DateOnly, to); err != nil {
			return since, until, errors.New("--to is no day: write YYYY-MM-DD")
		}
		if until.Before(since) {
			return since, until, errors.New("--to is before --from")
		}
		until = until.AddDate(0, 0, 1)
	}
	return since, until, nil
}

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
			return withChain(cmd.Context(), !dryRun, func(chain *auditlog.Chain, cfg settings.Audit) error {
				cut := time.Now().UTC().AddDate(-cfg.RetentionYears, 0, 0)
				if before != "" {
					var err error
					if cut, err = time.Parse(time.DateOnly, before); err != nil {
						return errors.New("--before is no day: write YYYY-MM-DD")
					}
				}
				names, err := chain.DropMonths(cmd.Context(), cut, cfg.RetentionYears, dryRun)
				if err != nil {
					return fmt.Errorf("applying the retention: %w", err)
				}
				done := "dropped"
				if dryRun {
					done = "would drop"
				}
				for _, name := range names {
					_, _ = fmt.Fprintln(cmd.OutOrStdout(), done, name)
				}
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s %d months\n", done, len(names))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&before, "before", "", "a day, YYYY-MM-DD: drop only what is older than this, and than the policy")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only name what would be dropped")
	return cmd
}

// progressOf returns what tells of long work, every few seconds.
func progressOf(out io.Writer) func() {
	last, checkpoints := time.Now(), 0
	return func() {
		checkpoints++
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			_, _ = fmt.Fprintf(out, "%d checkpoints so far\n", checkpoints)
		}
	}
}

// readCheckpoint reads what audit checkpoint printed.
func readCheckpoint(file string) (*audit.Checkpoint, error) {
	content, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	var c audit.Checkpoint
	if err := json.Unmarshal(content, &c); err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	return &c, nil
}
