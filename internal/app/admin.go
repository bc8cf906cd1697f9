package app

import (
	"fmt"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/token"
)

func newAdminCommand() *cobra.Command {
	return newParent("admin", "Manage administrators", newAdminCreateCommand())
}

func newAdminCreateCommand() *cobra.Command {
	var r clinic.Registration
	var passwordFile string
	var ifMissing bool
	cmd := &cobra.Command{
		Use:   "create --username NAME",
		Short: "Create an administrator",
		Long: "Create an administrator. The password comes from a prompt, from --password-file, or from standard\n" +
			"input where that is no terminal; never from an argument, which other users of the machine could read.\n\n" +
			settings.Usage(&settings.Tool{}),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return createAdmin(cmd, r, passwordFile, ifMissing)
		},
	}
	cmd.Flags().StringVar(&r.Username, "username", "", "name to log in with (required)")
	cmd.Flags().StringVar(&r.Email, "email", "", "email address")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file that holds the password")
	cmd.Flags().BoolVar(&ifMissing, "if-missing", false, "succeed without a change when the username exists as an administrator")
	_ = cmd.MarkFlagRequired("username") // fails only for a flag that is not defined
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
	db, err := openDB(ctx, "", cfg.Database, noop.NewTracerProvider())
	if err != nil {
		return err
	}
	defer db.Close()
	passwords, err := token.NewHasher(token.HasherOptions{})
	if err != nil {
		return fmt.Errorf("making the password hasher: %w", err)
	}
	user, err := service.NewAdministrators(db, passwords).Create(ctx, r)
	switch {
	case err == nil:
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "created administrator %s\n", user.Username)
		return nil
	case ifMissing && clinic.ReasonOf(err) == "username_taken" && user.Role == clinic.RoleAdmin:
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "administrator %s exists\n", r.Username)
		return nil
	}
	return fmt.Errorf("creating the administrator: %w", err)
}
