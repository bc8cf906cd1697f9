package app

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/apicheck"
)

// newCheckCommand returns the command that `helm test` runs. The image contains no other program for it.
func newCheckCommand() *cobra.Command {
	var base, username, passwordFile string
	var patience time.Duration
	var ready bool
	cmd := &cobra.Command{
		Use:   "check --url URL",
		Short: "Check that the API works, as a client",
		Long: "Request the health of the API. With --username, also log in and read the user's own profile, which needs\n" +
			"Postgres and the signing keys. The password comes from --password-file, a prompt or standard input.\n" +
			"With --ready, --url is the admin port of a part, and the command only requests /readyz.",
		Args: takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := url.Parse(base)
			if err != nil {
				return fmt.Errorf("reading --url: %w", err)
			}
			opts := apicheck.Options{URL: address, Username: username, Ready: ready, Patience: patience, Out: cmd.OutOrStdout()}
			if username != "" {
				if opts.Password, err = readPassword(cmd.InOrStdin(), cmd.ErrOrStderr(), passwordFile); err != nil {
					return err
				}
			}
			return apicheck.Run(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&base, "url", "http://127.0.0.1:8000", "URL of the API")
	cmd.Flags().StringVar(&username, "username", "", "name to log in with")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file that contains the password")
	cmd.Flags().BoolVar(&ready, "ready", false, "check that the part with the admin port at --url is ready")
	cmd.MarkFlagsMutuallyExclusive("ready", "username")
	cmd.Flags().DurationVar(&patience, "wait", 0, "how long to retry while the API or the administrator may not exist yet")
	return cmd
}
