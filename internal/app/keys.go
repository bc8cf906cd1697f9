package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/token"
)

func newKeysCommand() *cobra.Command {
	keys := &cobra.Command{Use: "keys", Short: "Manage the keys that sign access tokens, or seal the audit log"}
	var dir string
	generate := &cobra.Command{
		Use:   "generate --dir DIR",
		Short: "Make the first signing key; does nothing when DIR has one",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			created, err := token.GenerateKey(dir)
			if err != nil {
				return fmt.Errorf("generating a signing key: %w", err)
			}
			if !created {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s has a signing key already\n", dir)
				return nil
			}
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "created a signing key in %s\n", dir)
			return nil
		},
	}
	generate.Flags().StringVar(&dir, "dir", "", "directory of the keys, the server's SIGNING_KEYS_DIR or the worker's AUDIT_KEYS_DIR (required)")
	_ = generate.MarkFlagRequired("dir") // fails only for a flag that is not defined
	keys.AddCommand(generate)
	return keys
}
