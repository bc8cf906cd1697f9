package app

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/store"
)

func newAuditCommand() *cobra.Command {
	return newParent("audit", "Verify, export and drop the audit log",
		newAuditVerifyCommand(), newAuditExportCommand(), newAuditCheckpointCommand(), newAuditRetentionCommand())
}

// withAuditLog opens the database with the settings and calls use with it.
func withAuditLog(ctx context.Context, use func(*store.DB) error) error {
	var cfg settings.Audit
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	db, err := openMigratedDB(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer db.Close()
	return use(db)
}

// progressOf returns a function that prints the progress of long work every few seconds.
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
