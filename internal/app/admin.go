package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/token"
)

func newAdminCommand() *cobra.Command {
	return newParent("admin", "Manage administrators, and help users who cannot log in",
		newAdminCreateCommand(), newSetPasswordCommand(), newResetSecondFactorCommand(), newIssueCodesCommand())
}

func newAdminCreateCommand() *cobra.Command {
	var r clinic.Registration
	var passwordFile string
	var ifMissing bool
	cmd := &cobra.Command{
		Use:   "create --username NAME",
		Short: "Create an administrator",
		Long: "Create an administrator. The command prompts for the password. Without a terminal, it reads the password\n" +
			"from standard input; with --password-file, from a file. There is no flag for the password itself, because\n" +
			"other users of the machine could read it.\n\n" +
			settings.Usage(&settings.Tool{}),
		Args: takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return createAdmin(cmd, r, passwordFile, ifMissing)
		},
	}
	cmd.Flags().StringVar(&r.Username, "username", "", "name to log in with (required)")
	cmd.Flags().StringVar(&r.Email, "email", "", "email address")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file that contains the password")
	cmd.Flags().BoolVar(&ifMissing, "if-missing", false, "succeed without a change if the administrator already exists")
	_ = cmd.MarkFlagRequired("username") // fails only if the flag is not defined
	return cmd
}

func createAdmin(cmd *cobra.Command, r clinic.Registration, passwordFile string, ifMissing bool) error {
	ctx := cmd.Context()
	var cfg settings.Tool
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	var err error
	if r.Password, err = readPassword(cmd.InOrStdin(), cmd.ErrOrStderr(), passwordFile); err != nil {
		return err
	}
	r.Role = clinic.RoleAdmin
	db, err := openDB(ctx, "", cfg.Database, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	passwords, err := token.NewHasher(token.HasherOptions{})
	if err != nil {
		return fmt.Errorf("setting up the password hasher: %w", err)
	}
	user, err := service.NewAdministrators(db, passwords).Create(ctx, r)
	switch {
	case err == nil:
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "created administrator %s\n", user.Username)
		return nil
	case ifMissing && clinic.ReasonOf(err) == "username_taken" && user.Role == clinic.RoleAdmin:
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "administrator %s already exists\n", r.Username)
		return nil
	}
	return fmt.Errorf("creating the administrator: %w", err)
}
