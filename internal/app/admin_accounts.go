package app

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/token"
)

func newSetPasswordCommand() *cobra.Command {
	var passwordFile string
	cmd := &cobra.Command{
		Use:   "set-password USERNAME",
		Short: "Give an account another password",
		Long: "Give any account another password. All of its sessions end, and its one-time code for a new password, if it has\n" +
			"one. A second factor stays. The user and the administrators are notified. The user should change the password\n" +
			"after the next login: POST /api/users/{id}/reset/ and `healthrecords admin issue-codes` issue codes with which\n" +
			"users choose their password themselves.\n\n" +
			"The command prompts for the password. Without a terminal, it reads the password from standard input; with\n" +
			"--password-file, from a file.\n\n" +
			settings.Usage(&settings.Tool{}),
		Args: takesUsername,
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := readPassword(cmd.InOrStdin(), cmd.ErrOrStderr(), passwordFile)
			if err != nil {
				return err
			}
			return withAdministrators(cmd.Context(), func(admins *service.Administrators) error {
				user, err := admins.SetPassword(cmd.Context(), args[0], password)
				if err != nil {
					return fmt.Errorf("setting the password: %w", err)
				}
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "set the password of %s; all of its sessions have ended\n", user.Username)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file that contains the password")
	return cmd
}

func newResetSecondFactorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reset-second-factor USERNAME",
		Short: "Remove the second factor of an account",
		Long: "Remove the second factor of any account, for a user who has lost the authenticator and the recovery codes. All\n" +
			"sessions of the account end. The password alone is then enough to log in, until the user sets up another second\n" +
			"factor. The user and the administrators are notified. Make sure that it is the user who asks.\n\n" +
			settings.Usage(&settings.Tool{}),
		Args: takesUsername,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdministrators(cmd.Context(), func(admins *service.Administrators) error {
				user, err := admins.ResetSecondFactor(cmd.Context(), args[0])
				if err != nil {
					return fmt.Errorf("removing the second factor: %w", err)
				}
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "removed the second factor of %s; all of its sessions have ended\n", user.Username)
				return nil
			})
		},
	}
}

// withAdministrators opens the database and calls use with the use cases of the command line.
func withAdministrators(ctx context.Context, use func(*service.Administrators) error) error {
	var cfg settings.Tool
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	db, err := openMigratedDB(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer db.Close()
	passwords, err := token.NewHasher(token.HasherOptions{})
	if err != nil {
		return fmt.Errorf("setting up the password hasher: %w", err)
	}
	return use(service.NewAdministrators(db, passwords))
}
