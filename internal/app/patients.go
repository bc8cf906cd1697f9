package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/settings"
)

func newPatientsCommand() *cobra.Command {
	return newParent("patients", "Erase the data of patients", newEraseCommand(), newCertificateCommand())
}

// eraseOptions are the flags of erase.
type eraseOptions struct {
	patientID int64
	reason    string
	confirm   bool
	yes       bool
}

func newEraseCommand() *cobra.Command {
	var opts eraseOptions
	cmd := &cobra.Command{
		Use:   "erase PATIENT_ID (--reason TEXT | --confirm)",
		Short: "Request or confirm the erasure of all data of a patient",
		Long: "An erasure needs two people: one requests it, and another one confirms it. With --reason, the command requests it, and an\n" +
			"administrator confirms it with POST /api/patients/{id}/erasure/confirm/. With --confirm, the command carries out what an\n" +
			"administrator has requested, and prints the certificate as JSON. This cannot be undone.\n\n" +
			"PATIENT_ID is the id of the patient's profile, as in GET /api/patients/. The command asks for the patient's username, so\n" +
			"that a wrong number erases nobody; --yes leaves the question out. Do not name the patient in the reason, and write no\n" +
			"health data: the certificate keeps it. The database user must own the schema.\n\n" +
			settings.Usage(&settings.Tool{}),
		Example: "  healthrecords patients erase 17 --reason 'the patient asked for it in writing'\n" +
			"  healthrecords patients erase 17 --confirm",
		Args: func(cmd *cobra.Command, args []string) (err error) {
			opts.patientID, err = patientID(cmd, args)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.confirm == (opts.reason != "") {
				return errors.New("give either --reason, to request an erasure, or --confirm, to carry out one that an administrator requested")
			}
			return withErasures(cmd.Context(), func(erasures *service.Erasures) error { return erase(cmd, erasures, opts) })
		},
	}
	cmd.Flags().StringVar(&opts.reason, "reason", "", "request the erasure, for this reason")
	cmd.Flags().BoolVar(&opts.confirm, "confirm", false, "carry out the erasure that an administrator requested")
	cmd.Flags().BoolVar(&opts.yes, "yes", false, "do not ask for the patient's username")
	return cmd
}

func erase(cmd *cobra.Command, erasures *service.Erasures, opts eraseOptions) error {
	ctx := cmd.Context()
	if !opts.yes {
		username, err := erasures.Username(ctx, opts.patientID)
		if err != nil {
			return fmt.Errorf("looking for the patient: %w", err)
		}
		if err := askForUsername(cmd.InOrStdin(), cmd.ErrOrStderr(), opts.patientID, username); err != nil {
			return err
		}
	}
	if opts.confirm {
		certificate, err := erasures.Confirm(ctx, service.Command("confirmErasure"), opts.patientID)
		if err != nil {
			return fmt.Errorf("erasing the patient's data: %w", err)
		}
		return writeCertificate(cmd.OutOrStdout(), certificate)
	}
	if _, err := erasures.Request(ctx, service.Command("requestErasure"), opts.patientID, opts.reason); err != nil {
		return fmt.Errorf("requesting the erasure: %w", err)
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "requested the erasure of the data of patient %d; an administrator has to confirm it\n", opts.patientID)
	return nil
}

// askForUsername fails unless the next line is the username. It does not show the name, which the operator is to know.
func askForUsername(stdin io.Reader, prompt io.Writer, patientID int64, username string) error {
	_, _ = fmt.Fprintf(prompt, "Username of patient %d: ", patientID)
	line, err := bufio.NewReader(io.LimitReader(stdin, clinic.MaxUsername+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the username: %w", err)
	}
	if !strings.EqualFold(strings.TrimSpace(line), username) {
		return errors.New("this is not the username of the patient; nothing was changed")
	}
	return nil
}

func newCertificateCommand() *cobra.Command {
	var all bool
	var id int64
	cmd := &cobra.Command{
		Use:   "certificate (PATIENT_ID | --all)",
		Short: "Print the certificate of an erasure",
		Long: "Print the certificate of an erasure as JSON: when it was requested and confirmed, by whom, and how much was removed.\n" +
			"With --all, print every erasure, one on each line. Keep them where a restored backup does not replace them: they say\n" +
			"whose data has to be erased again. The database user must own the schema.\n\n" + settings.Usage(&settings.Tool{}),
		Args: func(cmd *cobra.Command, args []string) (err error) {
			if all {
				return takesNoArguments(cmd, args)
			}
			id, err = patientID(cmd, args)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withErasures(cmd.Context(), func(erasures *service.Erasures) error {
				if all {
					return writeCertificates(cmd.Context(), cmd.OutOrStdout(), erasures)
				}
				certificate, err := erasures.Get(cmd.Context(), service.Command("getErasure"), id)
				if err != nil {
					return fmt.Errorf("reading the certificate: %w", err)
				}
				return writeCertificate(cmd.OutOrStdout(), certificate)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "print all erasures, the newest request first")
	return cmd
}

func writeCertificates(ctx context.Context, out io.Writer, erasures *service.Erasures) error {
	request := clinic.PageRequest{Size: clinic.MaxPageSize, Cursor: clinic.Cursor{Keyset: true}}
	for {
		page, err := erasures.List(ctx, service.Command("listErasures"), request)
		if err != nil {
			return fmt.Errorf("listing the erasures: %w", err)
		}
		for _, erasure := range page.Items {
			if err := writeCertificate(out, erasure); err != nil {
				return err
			}
		}
		if page.Next == nil {
			return nil
		}
		request.Cursor = *page.Next
	}
}

// certificate has the fields that the API answers with.
type certificate struct {
	ID            int64               `json:"id"`
	PatientID     int64               `json:"patient_id"`
	State         clinic.ErasureState `json:"state"`
	Reason        string              `json:"reason"`
	RequestedBy   *int64              `json:"requested_by"`
	RequestedAt   time.Time           `json:"requested_at"`
	ConfirmedBy   *int64              `json:"confirmed_by"`
	ErasedAt      *time.Time          `json:"erased_at"`
	Removed       *clinic.Removed     `json:"removed,omitempty"`
	SchemaVersion *int64              `json:"schema_version"`
}

func writeCertificate(out io.Writer, e clinic.Erasure) error {
	known := func(id int64) *int64 {
		if id == 0 {
			return nil
		}
		return &id
	}
	err := json.NewEncoder(out).Encode(certificate{
		ID: e.ID, PatientID: e.PatientID, State: e.State(), Reason: e.Reason, RequestedBy: known(e.RequestedBy), RequestedAt: e.RequestedAt,
		ConfirmedBy: known(e.ConfirmedBy), ErasedAt: e.ErasedAt, Removed: e.Removed, SchemaVersion: known(e.SchemaVersion),
	})
	if err != nil {
		return fmt.Errorf("writing the certificate: %w", err)
	}
	return nil
}

// patientID requires one argument, the id of a patient.
func patientID(cmd *cobra.Command, args []string) (int64, error) {
	if len(args) != 1 {
		return 0, fmt.Errorf("`%s` takes the id of one patient; see `%[1]s --help`", cmd.CommandPath())
	}
	id, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || id < 1 {
		return 0, errors.New("PATIENT_ID must be the id of a patient's profile, such as 17")
	}
	return id, nil
}

// withErasures opens the database and calls use with the use cases of the command line.
func withErasures(ctx context.Context, use func(*service.Erasures) error) error {
	var cfg settings.Tool
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	db, err := openMigratedDB(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer db.Close()
	return use(service.NewErasures(db))
}
