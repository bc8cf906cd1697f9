package fhir_test

import (
	"fmt"
	"strings"

	"github.com/healthrecords/healthrecords/internal/fhir"
)

// A bundle is read in one pass. What is not mapped is counted by its type.
func ExampleRead() {
	bundle, err := fhir.Read(strings.NewReader(`{
		"resourceType": "Bundle", "type": "collection",
		"entry": [
			{"fullUrl": "urn:uuid:p", "resource": {
				"resourceType": "Patient",
				"identifier": [{"system": "https://hospital.example", "value": "MR-1"}],
				"name": [{"given": ["Ann"], "family": "Moore"}]
			}},
			{"fullUrl": "urn:uuid:e", "resource": {
				"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
				"identifier": [{"system": "https://hospital.example", "value": "V-1"}],
				"type": [{"text": "Annual physical"}],
				"subject": {"reference": "urn:uuid:p"}, "period": {"start": "2026-01-01T10:00:00Z"}
			}},
			{"resource": {"resourceType": "Device"}}
		]
	}`), fhir.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, account := range bundle.Import.Accounts {
		fmt.Println(account.Role, account.SourceID, account.FirstName, account.LastName)
	}
	for _, record := range bundle.Import.Records {
		fmt.Println(record.Type, record.Title, record.Patient)
	}
	fmt.Println("unmapped:", bundle.Unmapped)
	// Output:
	// PATIENT https://hospital.example|MR-1 Ann Moore
	// CHECKUP Annual physical https://hospital.example|MR-1
	// unmapped: map[Device:1]
}

// A fault names its position in the bundle, and quotes nothing of it.
func ExampleReadError() {
	_, err := fhir.Read(strings.NewReader(`{"resourceType": "Bundle", "type": "collection",
		"entry": [{"resource": {"resourceType": "Patient"}}`), fhir.Options{})
	fmt.Println(err)
	// Output: the file ends too early at line 2, byte 102, /entry
}
