// Package fhir reads HL7 FHIR R4 bundles (hl7.org/fhir/R4) and says in the
// platform's terms what they hold. [Read] decodes a bundle in one pass, keeping
// only the elements that are mapped, and maps it: people to accounts, and
// encounters, conditions, medication requests and diagnostic reports to health
// records. docs/import.md has the table of elements.
//
// Bundles are health data. A fault or a refusal names the resource type and the
// position, and quotes nothing of the bundle.
package fhir
