package app

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/audit"
	"github.com/healthrecords/healthrecords/internal/auditlog"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/store"
)

func newAuditCheckpointCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Print the newest signed checkpoint",
		Long: "Print the newest checkpoint as a line of JSON. Keep it in a place that users who can change the database\n" +
			"cannot change: `healthrecords audit verify --checkpoint FILE` then detects that the end of the log was\n" +
			"removed.\n\n" + settings.Usage(&settings.Audit{}),
		Args: takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAuditLog(cmd.Context(), func(db *store.DB) error {
				newest, err := auditlog.Newest(cmd.Context(), db)
				if err != nil {
					return fmt.Errorf("reading the newest checkpoint: %w", err)
				}
				return json.NewEncoder(cmd.OutOrStdout()).Encode(newest)
			})
		},
	}
}

// readCheckpoint reads the output of audit checkpoint.
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
