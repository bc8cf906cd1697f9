// Package importer imports FHIR bundles: it reads each file ([fhir.Read]), passes what it holds to the service, which
// writes it in one transaction, shows the progress, and reports what became of everything. The report holds no health
// data.
//
// Begin with [Importer.Run], in importer.go: it takes the files one after the other. [Files] (files.go) finds the bundles
// below a path, progress.go has the line for a terminal, and report.go counts and prints. Package fhir maps the bundle,
// [clinic.Import.Check] validates it, and [service.Imports.Load] writes it. `healthrecords import` is the command line.
package importer
