// Package importer imports FHIR bundles: it reads each file ([fhir.Read]), hands what
// it holds to the service, which writes it in one transaction, tells the progress, and
// reports what became of everything. The report holds no health data.
package importer
