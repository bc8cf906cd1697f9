package app

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/auditlog"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/store"
)

func newAuditExportCommand() *cobra.Command {
	var from, to, output string
	cmd := &cobra.Command{
		Use:   "export --output FILE",
		Short: "Export sealed rows and their checkpoints, for verification without the database",
		Args:  takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			since, until, err := period(from, to)
			if err != nil {
				return err
			}
			return withAuditLog(cmd.Context(), func(db *store.DB) error {
				return exportAudit(cmd, db, output, since, until)
			})
		},
	}
	cmd.Long = cmd.Short + ", as JSON lines.\n\n" + settings.Usage(&settings.Audit{})
	cmd.Flags().StringVar(&from, "from", "", "first day of sealing, YYYY-MM-DD in UTC (default: no limit)")
	cmd.Flags().StringVar(&to, "to", "", "last day of sealing, YYYY-MM-DD in UTC (default: no limit)")
	cmd.Flags().StringVar(&output, "output", "", "file to create, which must not exist; - for standard output (required)")
	_ = cmd.MarkFlagRequired("output") // fails only if the flag is not defined
	return cmd
}

func exportAudit(cmd *cobra.Command, db *store.DB, output string, since, until time.Time) (err error) {
	out := cmd.OutOrStdout()
	if output != "-" {
		file, err := os.OpenFile(output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
		if err != nil {
			return fmt.Errorf("creating the export: %w", err)
		}
		written, err := auditlog.Export(cmd.Context(), db, file, auditlog.Period{From: since, To: until}, progressOf(cmd.ErrOrStderr()))
		if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
			return fmt.Errorf("exporting: %w", errors.Join(err, os.Remove(output)))
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "exported %d rows\n", written)
		return nil
	}
	if _, err := auditlog.Export(cmd.Context(), db, out, auditlog.Period{From: since, To: until}, progressOf(cmd.ErrOrStderr())); err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	return nil
}

// period parses two days. An empty one means no limit.
func period(from, to string) (since, until time.Time, err error) {
	until = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	if from != "" {
		if since, err = time.Parse(time.DateOnly, from); err != nil {
			return since, until, errors.New("--from must be a day: YYYY-MM-DD")
		}
	}
	if to != "" {
		if until, err = time.Parse(time.DateOnly, to); err != nil {
			return since, until, errors.New("--to must be a day: YYYY-MM-DD")
		}
		if until.Before(since) {
			return since, until, errors.New("--to is before --from")
		}
		until = until.AddDate(0, 0, 1)
	}
	return since, until, nil
}
