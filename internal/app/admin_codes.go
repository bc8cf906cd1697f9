package app

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/settings"
)

const progressStep = 1000 // codes

// issueCodesOptions are the flags of issue-codes.
type issueCodesOptions struct {
	file          string
	usernamesFile string
	names         []string // of the file or the arguments
	validFor      time.Duration
	withoutOne    bool
	replace       bool
}

func newIssueCodesCommand() *cobra.Command {
	var opts issueCodesOptions
	cmd := &cobra.Command{
		Use:   "issue-codes --file FILE (--without-password | --usernames-file FILE | USERNAME...)",
		Short: "Issue one-time codes with which users set their password",
		Long: "Issue one-time codes with which users set their password at POST /api/auth/password/reset/, and write them to a\n" +
			"CSV file with the columns username, code and expires_at. Only you can read the file; the platform stores only a\n" +
			"hash of each code. The command never overwrites a file. Deliver the codes, then delete the file.\n\n" +
			"With --without-password, the command issues a code for each active account that `healthrecords import` made and\n" +
			"that never had a password. It leaves out accounts with a valid code, unless you add --replace. If the command is\n" +
			"interrupted, the codes in the file are valid; run it again with another file for the remaining accounts.\n\n" +
			"With usernames, it issues a code for each of these accounts, which replaces a former code.\n\n" +
			settings.Usage(&settings.Tool{}),
		Example: "  healthrecords admin issue-codes --without-password --valid-for 336h --file codes.csv\n" +
			"  healthrecords admin issue-codes --file codes.csv jane john",
		RunE: func(cmd *cobra.Command, usernames []string) error {
			var err error
			if opts.names, err = opts.usernames(cmd.InOrStdin(), usernames); err != nil {
				return err
			}
			return withAdministrators(cmd.Context(), func(admins *service.Administrators) error {
				return issueCodes(cmd.Context(), admins, opts, cmd.OutOrStdout(), cmd.ErrOrStderr())
			})
		},
	}
	cmd.Flags().StringVar(&opts.file, "file", "", "file that the command creates and writes the codes to (required)")
	cmd.Flags().StringVar(&opts.usernamesFile, "usernames-file", "", "file with one username on each line; -: standard input")
	cmd.Flags().BoolVar(&opts.withoutOne, "without-password", false, "issue codes for all accounts that never had a password")
	cmd.Flags().BoolVar(&opts.replace, "replace", false, "with --without-password: also replace codes that are still valid")
	cmd.Flags().DurationVar(&opts.validFor, "valid-for", 24*time.Hour, "validity of the codes, 5m to 720h")
	_ = cmd.MarkFlagRequired("file") // fails only if the flag is not defined
	return cmd
}

// usernames checks the flags, and returns the accounts that they name.
func (o issueCodesOptions) usernames(stdin io.Reader, args []string) ([]string, error) {
	ways := 0
	for _, given := range []bool{o.withoutOne, o.usernamesFile != "", len(args) > 0} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return nil, errors.New("name the accounts in one way: --without-password, --usernames-file FILE, or usernames as arguments")
	case o.replace && !o.withoutOne:
		return nil, errors.New("--replace goes with --without-password; a code for a named account always replaces the former one")
	case o.validFor < settings.MinCodeLifetime || o.validFor > settings.MaxCodeLifetime:
		return nil, errors.New("--valid-for must be from 5m to 720h; write for example --valid-for 336h for two weeks")
	case o.usernamesFile == "":
		return args, nil
	}
	names, err := readUsernames(stdin, o.usernamesFile)
	if err == nil && len(names) == 0 {
		err = errors.New("the file of --usernames-file contains no username")
	}
	return names, err
}

// readUsernames reads one username from each line, and skips empty lines.
func readUsernames(stdin io.Reader, path string) (names []string, err error) {
	if path != "-" {
		file, err := os.Open(path) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, fmt.Errorf("reading the usernames: %w", err)
		}
		defer func() { _ = file.Close() }()
		stdin = file
	}
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		if name := strings.TrimSpace(lines.Text()); name != "" {
			names = append(names, name)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the usernames: %w", err)
	}
	return names, nil
}

func issueCodes(ctx context.Context, admins *service.Administrators, opts issueCodesOptions, out, told io.Writer) error {
	file, err := createCodeFile(opts.file)
	if err != nil {
		return err
	}
	issued, err := admins.IssueCodes(ctx, service.Codes{
		Usernames: opts.names, Replace: opts.replace, Lifetime: opts.validFor,
		Keep: func(code clinic.ResetCode) error {
			if file.written > 0 && file.written%progressStep == 0 {
				_, _ = fmt.Fprintf(told, "issued %d codes\n", file.written)
			}
			return file.keep(code)
		},
	})
	if errClose := file.close(); err == nil {
		err = errClose
	}
	switch {
	case err != nil && issued == 0 && file.written == 0:
		return fmt.Errorf("issuing codes: %w; no code was issued", err)
	case err != nil && file.written > issued: // the commit failed, or its answer was lost
		return fmt.Errorf("issuing codes: %w; %d codes in %s are valid, and the last one may not be: run the command again, with another file, for the remaining accounts", err, issued, opts.file)
	case err != nil:
		return fmt.Errorf("issuing codes: %w; the %d codes in %s are valid: run the command again, with another file, for the remaining accounts", err, issued, opts.file)
	case issued == 0:
		_, _ = fmt.Fprintln(out, "every account has a password or a valid code; no code was issued, and no file was written")
	default:
		_, _ = fmt.Fprintf(out, "issued %d codes, valid for %s, and wrote them to %s\n", issued, opts.validFor, opts.file)
	}
	return nil
}

// codeFile is the file of the codes. Each code is on the disk before it becomes valid: none is lost.
type codeFile struct {
	file    *os.File
	written int
}

// createCodeFile creates the file for its owner alone. It fails if the file exists.
func createCodeFile(path string) (*codeFile, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names the file
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s exists, and may contain valid codes; name another file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("creating the file of the codes: %w", err)
	}
	return &codeFile{file: file}, nil
}

// keep adds a code. When it fails, the file ends as before.
func (f *codeFile) keep(code clinic.ResetCode) error {
	end, err := f.file.Seek(0, io.SeekEnd)
	if err == nil {
		if err = f.write(code); err != nil {
			_ = f.file.Truncate(end)
		}
	}
	if err != nil {
		return fmt.Errorf("writing a code: %w", err)
	}
	f.written++
	return nil
}

func (f *codeFile) write(code clinic.ResetCode) error {
	rows := csv.NewWriter(f.file)
	if f.written == 0 {
		_ = rows.Write([]string{"username", "code", "expires_at"}) // Error returns a failure
	}
	_ = rows.Write([]string{code.User.Username, code.Code, code.ExpiresAt.UTC().Format(time.RFC3339)})
	rows.Flush()
	return errors.Join(rows.Error(), f.file.Sync())
}

// close removes a file without codes.
func (f *codeFile) close() error {
	err := f.file.Close()
	if f.written == 0 {
		err = errors.Join(err, os.Remove(f.file.Name()))
	}
	if err != nil {
		return fmt.Errorf("closing the file of the codes: %w", err)
	}
	return nil
}
