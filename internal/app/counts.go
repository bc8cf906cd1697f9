package app

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/store"
)

func newCountsCommand() *cobra.Command {
	return newParent("counts", "Verify and repair the counts of lists", newCountsVerifyCommand())
}

// countsVerification has the flags of `counts verify`.
type countsVerification struct {
	repair        bool
	out, progress io.Writer
}

func newCountsVerifyCommand() *cobra.Command {
	var v countsVerification
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the counts of lists with the database",
		Long: "Count records, notifications and assignments, and compare the results with the counts that the database keeps\n" +
			"for lists. The command changes nothing without --repair, and exits with 1 if a count is wrong and was not\n" +
			"repaired. The platform may run meanwhile. The database user must own the schema.\n\n" + settings.Usage(&settings.Tool{}),
		Args: takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v.out, v.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return v.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&v.repair, "repair", false, "correct the counts that differ")
	return cmd
}

func (v countsVerification) run(ctx context.Context) error {
	var cfg settings.Tool
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	db, err := openMigratedDB(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer db.Close()
	found := 0
	for _, kind := range store.CountKinds() {
		wrong, err := v.verify(ctx, db.System().Counts(), kind)
		if err != nil {
			return err
		}
		found += wrong
		state := "wrong"
		if v.repair {
			state = "repaired"
		}
		_, _ = fmt.Fprintf(v.out, "counts of %s: %d %s\n", kind, wrong, state)
	}
	if found > 0 && !v.repair {
		_, _ = fmt.Fprintf(v.progress, "healthrecords: wrong counts: %d; `healthrecords counts verify --repair` corrects them\n", found)
		return errReported
	}
	return nil
}

// verify returns how many counts of the kind were wrong. It prints its progress every few seconds.
func (v countsVerification) verify(ctx context.Context, counts store.Counts, kind store.CountKind) (wrong int, err error) {
	told := time.Now()
	for beyond := int64(0); ; {
		last, found, err := counts.Check(ctx, kind, beyond, v.repair)
		if err != nil {
			return 0, err
		}
		wrong += found
		if last == 0 {
			return wrong, nil
		}
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			_, _ = fmt.Fprintf(v.progress, "counts of %s: %d wrong so far\n", kind, wrong)
		}
		beyond = last
	}
}
