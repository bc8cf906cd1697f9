package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/fhir"
	"github.com/healthrecords/healthrecords/internal/service"
)

// Options describe what to import and where to write the report. Files is required.
type Options struct {
	Files []string     // from Files; "-" is Stdin
	FHIR  fhir.Options // how the bundles are read
	// Import writes one bundle, as service.Service does; nil: a dry run, which checks
	// the bundles and writes nothing.
	Import           func(context.Context, clinic.Import) (clinic.ImportResult, error)
	Stdin            io.Reader // nil: nothing
	Report, Progress io.Writer // nil: discarded
}

func (o *Options) setDefaults() {
	if o.Import == nil {
		o.Import = checkOnly
	}
	if o.Stdin == nil {
		o.Stdin = strings.NewReader("")
	}
	if o.Report == nil {
		o.Report = io.Discard
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}

func (o *Options) validate() error {
	if len(o.Files) == 0 {
		return errNoBundles
	}
	return nil
}

// Importer imports files one after the other.
type Importer struct {
	opts   Options
	dryRun bool
}

// New checks the options and returns the importer.
func New(opts Options) (*Importer, error) {
	dryRun := opts.Import == nil
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Importer{opts: opts, dryRun: dryRun}, nil
}

// Run imports the files and writes the report. It stops when ctx ends or the
// database is away. A file that fails for another reason does not keep the
// others from being imported. After any failure Run returns an error in the end.
func (i *Importer) Run(ctx context.Context) error {
	report := newReport(i.dryRun)
	progress := newProgress(i.opts.Progress, len(i.opts.Files))
	start := time.Now()
	var stopped error
	for _, name := range i.opts.Files {
		progress.begin(name)
		err := i.file(ctx, name, report)
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
	if err := report.print(i.opts.Report); err != nil {
		return fmt.Errorf("printing the report: %w", err)
	}
	switch {
	case stopped != nil:
		return fmt.Errorf("stopped after %d of %d files; the loaded files stay loaded; run the import again for the rest: %w",
			report.files, len(i.opts.Files), stopped)
	case len(report.failed) > 0:
		return fmt.Errorf("%d of %d files were not loaded", len(report.failed), len(i.opts.Files))
	}
	return nil
}

// whyStop returns an error that stops the whole import, and nil for one of a single file.
func whyStop(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %w", ctx.Err())
	case clinic.CodeOf(err) == clinic.CodeUnavailable && !service.RolledBack(err):
		return err
	}
	return nil
}

func (i *Importer) file(ctx context.Context, name string, r *report) error {
	bundle, err := i.readUntil(ctx, name)
	if err != nil {
		return err
	}
	result, err := i.opts.Import(ctx, bundle.Import)
	if err != nil {
		return err
	}
	r.add(name, bundle, result)
	return nil
}

// readUntil reads the file's bundle, and gives up when ctx ends: the writer of standard
// input, or of a pipe, may never end it.
func (i *Importer) readUntil(ctx context.Context, name string) (*fhir.Bundle, error) {
	var bundle *fhir.Bundle
	done := make(chan error, 1)
	go func() {
		var err error
		bundle, err = i.read(name)
		done <- err
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("reading a bundle: %w", ctx.Err())
	case err := <-done:
		return bundle, err
	}
}

func (i *Importer) read(name string) (*fhir.Bundle, error) {
	source := i.opts.Stdin
	if name != "-" {
		f, err := os.Open(name) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, errors.Unwrap(err) // the report names the file
		}
		defer func() { _ = f.Close() }()
		source = f
	}
	return fhir.Read(source, i.opts.FHIR) //nolint:wrapcheck // the report says of which file
}

// checkOnly replaces the import in a dry run.
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
