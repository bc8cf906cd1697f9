package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/healthrecords/healthrecords/internal/cache"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/fhir"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/telemetry"
	"github.com/healthrecords/healthrecords/internal/token"
)

func newImportCommand() *cobra.Command {
	var dryRun bool
	var opts fhir.Options
	bundles := &cobra.Command{
		Use:   "fhir PATH...",
		Short: "Load FHIR R4 bundles",
		Long: "Load FHIR R4 bundles: files, folders with *.json files, or - for standard input. Each bundle is loaded as\n" +
			"a whole or not at all, and can be loaded again: what is there already is recognized. Nobody is notified.\n" +
			"The table of what becomes what is in docs/import.md.\n\n" + settings.Usage(&settings.Import{}),
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if cmd.Flags().Changed("source") {
				if err := fhir.CheckSource(opts.Source); err != nil {
					return fmt.Errorf("--source: %w", err)
				}
			}
			files, err := bundleFiles(paths)
			if err != nil {
				return err
			}
			run := importRun{
				files: files, load: checkOnly, dryRun: dryRun, opts: opts,
				stdin: cmd.InOrStdin(), stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(),
			}
			if dryRun {
				return run.do(cmd.Context())
			}
			return withImporter(cmd.Context(), cmd.ErrOrStderr(), func(imports *service.Imports) error {
				run.load = imports.Load
				return run.do(cmd.Context())
			})
		},
	}
	bundles.Flags().StringVar(&opts.Source, "source", "", "name of the one system that all these bundles come from, such as its URL: it goes before relative ids,\n"+
		"which tell nobody apart beyond one file without it; the same in every import, and another one for each\n"+
		"system, whose patients would else be taken for each other's")
	bundles.Flags().BoolVar(&dryRun, "dry-run", false, "read and check the bundles without a database")
	return newParent("import", "Load data of other systems", bundles)
}

// withImporter opens what an import takes and calls use with it.
func withImporter(ctx context.Context, stderr io.Writer, use func(*service.Imports) error) error {
	var cfg settings.Import
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
		return fmt.Errorf("making the password hasher: %w", err)
	}
	var directory service.DirectoryCache // nil: no cache
	if cfg.HasRedis() {
		client, err := openRedis(cfg.Redis.Options(), noop.NewTracerProvider())
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		directory, err = cache.NewDirectory(cache.DirectoryOptions{
			Client: client, Prefix: cfg.Redis.KeyPrefix, Log: telemetry.NewLogger(stderr, cfg.Common.LogLevel, cfg.Common.LogFormat),
		})
		if err != nil {
			return fmt.Errorf("making the directory's cache: %w", err)
		}
	}
	return use(service.NewImports(db, passwords, directory))
}

// checkOnly is what a dry run does instead of Imports.Load.
func checkOnly(ctx context.Context, bundle clinic.Import) (clinic.ImportResult, error) {
	if err := ctx.Err(); err != nil {
		return clinic.ImportResult{}, fmt.Errorf("checking a bundle: %w", err)
	}
	valid, refused, leftOut := bundle.Check()
	result := clinic.ImportResult{
		Accounts: map[clinic.Role]clinic.ImportCounts{}, Records: map[clinic.RecordType]clinic.ImportCounts{},
		Assignments: clinic.ImportCounts{Created: len(valid.CareTeam)}, Refused: refused, LeftOut: leftOut,
	}
	for _, a := range valid.Accounts {
		result.Accounts[a.Role] = clinic.ImportCounts{Created: result.Accounts[a.Role].Created + 1}
	}
	for _, r := range valid.Records {
		result.Records[r.Type] = clinic.ImportCounts{Created: result.Records[r.Type].Created + 1}
	}
	return result, nil
}

// importRun loads files one after the other.
type importRun struct {
	files          []string // "-" is stdin
	load           func(context.Context, clinic.Import) (clinic.ImportResult, error)
	dryRun         bool
	opts           fhir.Options
	stdin          io.Reader
	stdout, stderr io.Writer
}

// do loads the files and prints the report. It stops when ctx ends or the
// database is gone; a file that fails for another reason does not keep the
// others from being loaded. Any failure is an error in the end.
func (r importRun) do(ctx context.Context) error {
	report := newImportReport(r.dryRun)
	progress := newProgress(r.stderr, len(r.files))
	start := time.Now()
	var stopped error
	for _, name := range r.files {
		progress.begin(name)
		err := r.file(ctx, name, report)
		if stopped = whyStop(ctx, err); stopped != nil {
			break
		}
		if err != nil {
			report.fail(name, err)
		}
		progress.end(report.records())
	}
	progress.finish()
	report.took = time.Since(start)
	if err := report.print(r.stdout); err != nil {
		return fmt.Errorf("printing the report: %w", err)
	}
	switch {
	case stopped != nil:
		return fmt.Errorf("stopped after %d of %d files; what is loaded stays, run it again for the rest: %w",
			report.files, len(r.files), stopped)
	case len(report.failed) > 0:
		return fmt.Errorf("%d of %d files were not loaded", len(report.failed), len(r.files))
	}
	return nil
}

// whyStop tells a failure of everything from one of a single file.
func whyStop(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %w", ctx.Err())
	case clinic.CodeOf(err) == clinic.CodeUnavailable && !store.RolledBack(err):
		return err
	}
	return nil
}

func (r importRun) file(ctx context.Context, name string, report *importReport) error {
	bundle, err := r.readUntil(ctx, name)
	if err != nil {
		return err
	}
	result, err := r.load(ctx, bundle.Import)
	if err != nil {
		return err
	}
	report.add(name, bundle, result)
	return nil
}

// readUntil reads the file's bundle, and gives up when ctx ends: whoever feeds standard
// input, or a pipe, may never end.
func (r importRun) readUntil(ctx context.Context, name string) (*fhir.Bundle, error) {
	var bundle *fhir.Bundle
	done := make(chan error, 1)
	go func() {
		var err error
		bundle, err = r.read(name)
		done <- err
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("reading a bundle: %w", ctx.Err())
	case err := <-done:
		return bundle, err
	}
}

func (r importRun) read(name string) (*fhir.Bundle, error) {
	source := r.stdin
	if name != "-" {
		f, err := os.Open(name) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, errors.Unwrap(err) // the report names the file
		}
		defer func() { _ = f.Close() }()
		source = f
	}
	return fhir.Read(source, r.opts) //nolint:wrapcheck // the report says of which file
}
