package app

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/apicheck"
)

// newCheckCommand is what `helm test` runs: the image holds no other program.
func newCheckCommand() *cobra.Command {
	var base, username, passwordFile string
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "check --url URL",
		Short: "Check from outside that the API works",
		Long: "Ask the API whether it is there and, with --username, log in and read one's own profile, which takes\n" +
			"Postgres and the signing keys. The password comes from --password-file, a prompt or standard input.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := url.Parse(base)
			if err != nil {
				return fmt.Errorf("reading --url: %w", err)
			}
			opts := apicheck.Options{URL: address, Username: username, Patience: patience, Out: cmd.OutOrStdout()}
			if username != "" {
				if opts.Password, err = readPassword(cmd.InOrStdin(), cmd.ErrOrStderr(), passwordFile); err != nil {
					return err
				}
			}
			return apicheck.Run(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&base, "url", "http://127.0.0.1:8000", "where the API is")
	cmd.Flags().StringVar(&username, "username", "", "name to log in with")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file that holds the password")
	cmd.Flags().DurationVar(&patience, "wait", 0, "how long to try again, where the API or the administrator may be yet to come")
	return cmd
}
