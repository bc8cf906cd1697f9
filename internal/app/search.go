package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/settings"
)

func newSearchCommand() *cobra.Command {
	return newParent("search", "Build the search index again, and show its state", newSearchReindexCommand(), newSearchStatusCommand())
}

// reindexing has the flags of `search reindex`.
type reindexing struct {
	resume   bool
	progress io.Writer
}

func newSearchReindexCommand() *cobra.Command {
	var r reindexing
	cmd := &cobra.Command{
		Use:   "reindex",
		Short: "Index all health records for the search again",
		Long: "Index all health records again, for example after SEARCH_LANGUAGE has changed. The platform may run meanwhile, and\n" +
			"searches go on with the former index of each record. If the command is stopped, the worker finishes the work;\n" +
			"--resume watches it, or finishes it where no worker runs. The database user must own the schema.\n\n" + settings.Usage(&settings.SearchTool{}),
		Args: takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r.progress = cmd.ErrOrStderr()
			err := withSearchIndex(cmd.Context(), r.run)
			if cmd.Context().Err() != nil {
				return errReindexStopped
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&r.resume, "resume", false, "go on where the last run stopped")
	return cmd
}

var errReindexStopped = errors.New("stopped before the end; the worker goes on, or run the command again with --resume")

// reindexBatch is how many records a transaction of the command indexes.
const reindexBatch = 500

func (r reindexing) run(ctx context.Context, index *service.SearchIndex) error {
	if !r.resume {
		if err := index.Restart(ctx); err != nil {
			return err
		}
	}
	told := time.Now()
	for {
		indexed, err := index.Reindex(ctx, reindexBatch)
		if err != nil {
			return err
		}
		if indexed > 0 && time.Since(told) < 5*time.Second {
			continue
		}
		state, err := index.State(ctx)
		if err != nil {
			return err
		}
		if state.Finished {
			_, _ = fmt.Fprintf(r.progress, "indexed %d health records\n", state.Indexed)
			return nil
		}
		if time.Since(told) >= 5*time.Second {
			told = time.Now()
			_, _ = fmt.Fprintf(r.progress, "indexed %d health records so far (%.0f %%)\n", state.Indexed, 100*state.Progress())
		}
		if indexed == 0 && !waited(ctx, 100*time.Millisecond) { // a worker indexes at the moment
			return errReindexStopped
		}
	}
}

// waited waits for d, and reports whether ctx has not ended.
func waited(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func newSearchStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the state of the search index",
		Long:  "Show how many changes wait to be indexed, and how far the run over all health records is.\n\n" + settings.Usage(&settings.SearchTool{}),
		Args:  takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withSearchIndex(cmd.Context(), func(ctx context.Context, index *service.SearchIndex) error {
				state, err := index.State(ctx)
				if err == nil {
					showSearchState(cmd.OutOrStdout(), state)
				}
				return err
			})
		},
	}
}

func showSearchState(out io.Writer, s clinic.SearchState) {
	_, _ = fmt.Fprintf(out, "changes to index: %d", s.Pending)
	if s.Pending > 0 {
		_, _ = fmt.Fprintf(out, ", the oldest %s ago", s.Oldest.Round(time.Second))
	}
	_, _ = fmt.Fprintln(out)
	run := "finished"
	if !s.Finished {
		run = fmt.Sprintf("%.0f %%", 100*s.Progress())
	}
	_, _ = fmt.Fprintf(out, "run over all health records: %s, %d indexed\n", run, s.Indexed)
	if !s.Filled {
		_, _ = fmt.Fprintln(out, "searches are not complete until the run has finished")
	}
}

// withSearchIndex runs do with the index of the database of the settings.
func withSearchIndex(ctx context.Context, do func(context.Context, *service.SearchIndex) error) error {
	var cfg settings.SearchTool
	if err := settings.Load(&cfg); err != nil {
		return err
	}
	db, err := openMigratedDB(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer db.Close()
	return do(ctx, service.NewSearchIndex(db, clinic.Language(cfg.Search.Language)))
}
