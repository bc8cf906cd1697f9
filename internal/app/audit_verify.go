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

// auditVerification has the flags of `audit verify`.
type auditVerification struct {
	export, checkpoint string // files; "" for none
	trusted            []string
	out, progress      io.Writer
}

func newAuditVerifyCommand() *cobra.Command {
	var a auditVerification
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Find rows of the audit log that were edited, removed, added or replaced",
		Long: "Verify the chain in the database or, with --export, in an export, for which no database is needed. The\n" +
			"command lists each row that is not as it was sealed, and exits with 1 if it finds one.\n\n" + settings.Usage(&settings.Audit{}),
		Args: takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.out, a.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return a.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&a.export, "export", "", "file that `audit export` wrote (default: verify the database)")
	cmd.Flags().StringVar(&a.checkpoint, "checkpoint", "", "file with the output of `audit checkpoint`: detects that later rows were removed from the end of the log")
	cmd.Flags().StringSliceVar(&a.trusted, "trusted-key", nil, "id of a key that may sign, as printed by `healthrecords keys`; can be repeated.\n"+
		"Without it, any key may sign: compare the printed ids yourself")
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
	_, _ = fmt.Fprintf(a.out, "%d rows are unchanged since they were sealed; retention dropped %d", v.Rows, v.Dropped)
	if len(v.Keys) > 0 {
		_, _ = fmt.Fprintf(a.out, "; signed by %s", strings.Join(v.Keys, ", "))
	}
	_, _ = fmt.Fprintln(a.out)
	if v.Outside {
		_, _ = fmt.Fprintln(a.out, "the checkpoint of --checkpoint is older than the export, and cannot verify it: use a checkpoint from the time of the export, or verify the database")
	}
	return a.judge(v, faults)
}

// judge tells an operator's mistake from tampering: after a rotation, several keys have signed.
func (a auditVerification) judge(v *audit.Verifier, faults int) error {
	switch {
	case faults == 0 && a.export != "" && v.Sealed == 0:
		return errors.New("the export contains no checkpoint, so there is nothing to verify: no row was sealed on its days, or its end was cut off")
	case faults == 0:
		return nil
	case len(a.trusted) > 0 && len(v.Keys) == 0:
		return errors.New("no checkpoint is signed by a trusted key: check that --trusted-key is the id of the right key, not the key itself; if it is, the audit log is forged")
	case len(v.Strange) > 0:
		return fmt.Errorf("--trusted-key does not name every key that signed; missing: %s. If these are your keys, as after a rotation, name all "+
			"of them, with one --trusted-key each; faults may follow from the missing ones. If they are not, the audit log is forged", strings.Join(v.Strange, ", "))
	}
	_, _ = fmt.Fprintf(a.progress, "healthrecords: the audit log was tampered with; faults: %d\n", faults)
	return errReported
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
