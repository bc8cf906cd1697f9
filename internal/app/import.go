package app

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/cache"
	"github.com/healthrecords/healthrecords/internal/fhir"
	"github.com/healthrecords/healthrecords/internal/importer"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/telemetry"
	"github.com/healthrecords/healthrecords/internal/token"
)

func newImportCommand() *cobra.Command {
	var dryRun bool
	var opts fhir.Options
	bundles := &cobra.Command{
		Use:   "fhir PATH...",
		Short: "Load FHIR R4 bundles",
		Long: "Load FHIR R4 bundles from files, from folders with *.json files, or from standard input (-). Each bundle is\n" +
			"loaded completely or not at all. Loading it again adds nothing, because the import recognizes existing data.\n" +
			"Nobody is notified. docs/import.md says what each resource becomes.\n\n" + settings.Usage(&settings.Import{}),
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if cmd.Flags().Changed("source") {
				if err := fhir.CheckSource(opts.Source); err != nil {
					return fmt.Errorf("--source: %w", err)
				}
			}
			files, err := importer.Files(paths)
			if err != nil {
				return err
			}
			run := importer.Options{
				Files: files, FHIR: opts,
				Stdin: cmd.InOrStdin(), Report: cmd.OutOrStdout(), Progress: cmd.ErrOrStderr(),
			}
			if dryRun {
				return importFiles(cmd.Context(), run)
			}
			return withImporter(cmd.Context(), cmd.ErrOrStderr(), func(imports *service.Imports) error {
				run.Import = imports.Load
				return importFiles(cmd.Context(), run)
			})
		},
	}
	bundles.Flags().StringVar(&opts.Source, "source", "", "name of the system that all these bundles come from, such as its URL. It makes relative ids unique;\n"+
		"without it, they identify nobody outside their file. Use the same name in every import from a system,\n"+
		"and a different one for each system: otherwise patients of two systems are confused")
	bundles.Flags().BoolVar(&dryRun, "dry-run", false, "read and check the bundles without a database")
	return newParent("import", "Load data from other systems", bundles)
}

func importFiles(ctx context.Context, opts importer.Options) error {
	run, err := importer.New(opts)
	if err != nil {
		return fmt.Errorf("setting up the importer: %w", err)
	}
	return run.Run(ctx)
}

// withImporter opens the database and the optional Redis, and calls use with an importer.
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
		return fmt.Errorf("setting up the password hasher: %w", err)
	}
	var directory service.DirectoryCache // nil: no cache
	if cfg.HasRedis() {
		client, err := openRedis(cfg.Redis.Options(), nil)
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		directory, err = cache.NewDirectory(cache.DirectoryOptions{
			Client: client, Prefix: cfg.Redis.KeyPrefix, Log: telemetry.NewLogger(stderr, cfg.Common.LogLevel, cfg.Common.LogFormat),
		})
		if err != nil {
			return fmt.Errorf("setting up the directory's cache: %w", err)
		}
	}
	return use(service.NewImports(db, passwords, directory))
}
