package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/server"
)

func newOpenAPICommand() *cobra.Command {
	return &cobra.Command{
		Use:   "openapi",
		Short: "Print the OpenAPI 3.1 document of the REST API as YAML",
		Args:  takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			document, err := server.OpenAPI()
			if err != nil {
				return fmt.Errorf("writing the OpenAPI document: %w", err)
			}
			_, err = cmd.OutOrStdout().Write(document)
			return err
		},
	}
}
