package fhir

import "github.com/go-json-experiment/json/jsontext"

// newResource returns an empty struct for a supported resource type, else nil.
func newResource(kind string) resource {
	switch kind {
	case "Patient":
		return new(patient)
	case "Practitioner":
		return new(practitioner)
	case "PractitionerRole":
		return new(practitionerRole)
	case "CareTeam":
		return new(careTeam)
	case "Encounter":
		return new(encounter)
	case "Condition":
		return new(condition)
	case "MedicationRequest":
		return new(medicationRequest)
	case "Medication":
		return new(medication)
	case "DiagnosticReport":
		return new(diagnosticReport)
	case "Observation":
		return new(observation)
	}
	return nil
}

// patient: hl7.org/fhir/R4/patient.html.
type patient struct {
	base
	Identifier          []identifier   `json:"identifier"`
	Name                []humanName    `json:"name"`
	Telecom             []contactPoint `json:"telecom"`
	BirthDate           string         `json:"birthDate"`
	Address             []address      `json:"address"`
	Contact             []contact      `json:"contact"`
	GeneralPractitioner []reference    `json:"generalPractitioner"`
}

type contact struct {
	Name    humanName      `json:"name"`
	Telecom []contactPoint `json:"telecom"`
}

// practitioner: hl7.org/fhir/R4/practitioner.html.
type practitioner struct {
	base
	Identifier []identifier   `json:"identifier"`
	Active     *bool          `json:"active"`
	Name       []humanName    `json:"name"`
	Telecom    []contactPoint `json:"telecom"`
}

// practitionerRole: hl7.org/fhir/R4/practitionerrole.html.
type practitionerRole struct {
	base
	Practitioner reference `json:"practitioner"`
	Code         []concept `json:"code"`
	Specialty    []concept `json:"specialty"`
}

// careTeam: hl7.org/fhir/R4/careteam.html.
type careTeam struct {
	base
	Status      string    `json:"status"`
	Subject     reference `json:"subject"`
	Participant []struct {
		Member reference `json:"member"`
	} `json:"participant"`
}

// encounter: hl7.org/fhir/R4/encounter.html.
type encounter struct {
	base
	Status      string    `json:"status"`
	Class       coding    `json:"class"`
	Type        []concept `json:"type"`
	Subject     reference `json:"subject"`
	Participant []struct {
		Individual reference `json:"individual"`
	} `json:"participant"`
	Period          period      `json:"period"`
	ReasonCode      []concept   `json:"reasonCode"`
	ReasonReference []reference `json:"reasonReference"`
	Hospitalization struct {
		DischargeDisposition concept `json:"dischargeDisposition"`
	} `json:"hospitalization"`
}

// condition: hl7.org/fhir/R4/condition.html.
type condition struct {
	base
	ClinicalStatus     concept   `json:"clinicalStatus"`
	VerificationStatus concept   `json:"verificationStatus"`
	Severity           concept   `json:"severity"`
	Code               concept   `json:"code"`
	BodySite           []concept `json:"bodySite"`
	Subject            reference `json:"subject"`
	Encounter          reference `json:"encounter"`
	OnsetDateTime      string    `json:"onsetDateTime"`
	OnsetPeriod        period    `json:"onsetPeriod"`
	OnsetString        string    `json:"onsetString"`
	AbatementDateTime  string    `json:"abatementDateTime"`
	AbatementPeriod    period    `json:"abatementPeriod"`
	AbatementString    string    `json:"abatementString"`
	RecordedDate       string    `json:"recordedDate"`
	Recorder           reference `json:"recorder"`
	Asserter           reference `json:"asserter"`
	Evidence           []struct {
		Code []concept `json:"code"`
	} `json:"evidence"`
	Note []annotation `json:"note"`
}

// medicationRequest: hl7.org/fhir/R4/medicationrequest.html.
type medicationRequest struct {
	base
	Status                    string       `json:"status"`
	StatusReason              concept      `json:"statusReason"`
	Intent                    string       `json:"intent"`
	DoNotPerform              bool         `json:"doNotPerform"`
	MedicationCodeableConcept concept      `json:"medicationCodeableConcept"`
	MedicationReference       reference    `json:"medicationReference"`
	Subject                   reference    `json:"subject"`
	Encounter                 reference    `json:"encounter"`
	AuthoredOn                string       `json:"authoredOn"`
	Requester                 reference    `json:"requester"`
	ReasonCode                []concept    `json:"reasonCode"`
	ReasonReference           []reference  `json:"reasonReference"`
	Note                      []annotation `json:"note"`
	DosageInstruction         []dosage     `json:"dosageInstruction"`
}

// medication: hl7.org/fhir/R4/medication.html.
type medication struct {
	base
	Status string  `json:"status"`
	Code   concept `json:"code"`
}

// diagnosticReport: hl7.org/fhir/R4/diagnosticreport.html.
type diagnosticReport struct {
	base
	Status            string      `json:"status"`
	Category          []concept   `json:"category"`
	Code              concept     `json:"code"`
	Subject           reference   `json:"subject"`
	Encounter         reference   `json:"encounter"`
	EffectiveDateTime string      `json:"effectiveDateTime"`
	EffectivePeriod   period      `json:"effectivePeriod"`
	Issued            string      `json:"issued"`
	Performer         []reference `json:"performer"`
	ResultsInterp     []reference `json:"resultsInterpreter"`
	Result            []reference `json:"result"`
	Conclusion        string      `json:"conclusion"`
	ConclusionCode    []concept   `json:"conclusionCode"`
}

// observation: hl7.org/fhir/R4/observation.html.
type observation struct {
	base
	measurement
	Status    string       `json:"status"`
	Subject   *reference   `json:"subject"` // nil where the referring resource gives the subject
	HasMember []reference  `json:"hasMember"`
	Note      []annotation `json:"note"`
	Component []struct {
		measurement
	} `json:"component"`
}

// measurement has the fields that an observation and its components share.
type measurement struct {
	Code                 concept          `json:"code"`
	ValueQuantity        *quantity        `json:"valueQuantity"`
	ValueCodeableConcept *concept         `json:"valueCodeableConcept"`
	ValueString          string           `json:"valueString"`
	ValueBoolean         *bool            `json:"valueBoolean"`
	ValueInteger         *int64           `json:"valueInteger"`
	ValueRange           *valueRange      `json:"valueRange"`
	ValueRatio           *ratio           `json:"valueRatio"`
	ValueTime            string           `json:"valueTime"`
	ValueDateTime        string           `json:"valueDateTime"`
	ValuePeriod          *period          `json:"valuePeriod"`
	DataAbsentReason     concept          `json:"dataAbsentReason"`
	Interpretation       []concept        `json:"interpretation"`
	ReferenceRange       []referenceRange `json:"referenceRange"`
}

type referenceRange struct {
	Low  quantity `json:"low"`
	High quantity `json:"high"`
	Text string   `json:"text"`
}

// dosage: hl7.org/fhir/R4/dosage.html. Rest has the elements that are not named here, so
// that an incomplete dosage is never shown as complete.
type dosage struct {
	Sequence              int64     `json:"sequence"`
	Text                  string    `json:"text"`
	AdditionalInstruction []concept `json:"additionalInstruction"`
	PatientInstruction    string    `json:"patientInstruction"`
	Timing                struct {
		Code   concept        `json:"code"`
		Repeat repeat         `json:"repeat"`
		Rest   jsontext.Value `json:",inline"`
	} `json:"timing"`
	AsNeededBoolean         bool           `json:"asNeededBoolean"`
	AsNeededCodeableConcept concept        `json:"asNeededCodeableConcept"`
	Route                   concept        `json:"route"`
	DoseAndRate             []doseAndRate  `json:"doseAndRate"`
	Rest                    jsontext.Value `json:",inline"`
}

type doseAndRate struct {
	Type         concept        `json:"type"`
	DoseQuantity quantity       `json:"doseQuantity"`
	DoseRange    valueRange     `json:"doseRange"`
	Rest         jsontext.Value `json:",inline"`
}

type repeat struct {
	Frequency  int64          `json:"frequency"`
	Period     decimal        `json:"period"`
	PeriodUnit string         `json:"periodUnit"`
	Rest       jsontext.Value `json:",inline"`
}
