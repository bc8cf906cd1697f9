package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/auditlog"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/token"
)

// auditVerification is what `audit verify` is asked to do.
type auditVerification struct {
	export, checkpoint string // files; "" for none
	trusted            []string
	out, progress      io.Writer
}

func newAuditVerifyCommand() *cobra.Command {
	var a auditVerification
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Find rows of the audit log that were edited, removed, added or exchanged",
		Long: "Check the chain of the database, or of an export with --export, which takes no database. It names each\n" +
			"row that is not as it was sealed, and exits with 1 when there is one.\n\n" + settings.Usage(&settings.Audit{}),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.out, a.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return a.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&a.export, "export", "", "file that audit export wrote; the database by default")
	cmd.Flags().StringVar(&a.checkpoint, "checkpoint", "", "file with a checkpoint that audit checkpoint printed: finds a log that was cut off since")
	cmd.Flags().StringSliceVar(&a.trusted, "trusted-key", nil, "id of a key that may sign, as healthrecords keys printed it; may be given again.\n"+
		"Without one, any key may, and the ids are printed to be compared")
	return cmd
}

func (a auditVerification) run(ctx context.Context) error {
	faults := 0
	v := &audit.Verifier{KeyID: token.KeyID, Trusted: a.trusted, Partial: a.export != "", Report: func(f audit.Fault) {
		faults++
		_, _ = fmt.Fprintln(a.out, f)
	}}
	if a.checkpoint != "" {
		kept, err := readCheckpoint(a.checkpoint)
		if err != nil {
			return err
		}
		v.Kept = kept
	}
	if err := a.verify(ctx, v); err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	_, _ = fmt.Fprintf(a.out, "%d rows are as they were sealed, %d were dropped by retention", v.Rows, v.Dropped)
	if len(v.Keys) > 0 {
		_, _ = fmt.Fprintf(a.out, "; signed by %s", strings.Join(v.Keys, ", "))
	}
	_, _ = fmt.Fprintln(a.out)
	if v.Outside {
		_, _ = fmt.Fprintln(a.out, "the kept checkpoint is older than the export, and says nothing about it: give one of its time, or verify the database")
	}
	if faults > 0 && len(a.trusted) > 0 && len(v.Keys) == 0 {
		return errors.New("none of the checkpoints is signed by a trusted key: see whether --trusted-key has the right id, which is not the key itself; if so, the audit log is forged")
	}
	if faults > 0 {
		_, _ = fmt.Fprintf(a.progress, "healthrecords: the audit log was tampered with: %d faults\n", faults)
		return errReported
	}
	return nil
}

func (a auditVerification) verify(ctx context.Context, v *audit.Verifier) error {
	if a.export != "" {
		file, err := os.Open(a.export)
		if err != nil {
			return fmt.Errorf("opening the export: %w", err)
		}
		defer func() { _ = file.Close() }()
		return audit.VerifyExport(file, v, progressOf(a.progress))
	}
	return withAuditLog(ctx, func(db *store.DB) error {
		unsealed, err := auditlog.Verify(ctx, db, v, progressOf(a.progress))
		if err == nil && unsealed > 0 {
			_, _ = fmt.Fprintf(a.out, "%d rows are not sealed yet\n", unsealed)
		}
		return err
	})
}
