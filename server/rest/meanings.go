package rest

import (
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// meaning explains a value of an enum.
type meaning struct{ value, text string }

// meanings explains the enums of fields and parameters, by their names.
func meanings() map[string][]meaning {
	return map[string][]meaning{
		"record_type": {
			{string(clinic.RecordCheckup), "a routine or preventive visit"},
			{string(clinic.RecordDiagnosis), "a condition that was found, or is suspected"},
			{string(clinic.RecordPrescription), "medications that were prescribed"},
			{string(clinic.RecordLabResult), "the result of a laboratory test or another examination"},
			{string(clinic.RecordEmergency), "a visit to an emergency department, or urgent care"},
		},
		"language": {
			{string(clinic.LanguageEnglish), "English"},
			{string(clinic.LanguageGerman), "German"},
			{string(clinic.LanguageFrench), "French"},
			{string(clinic.LanguageSpanish), "Spanish"},
			{string(clinic.LanguageRussian), "Russian"},
			{string(clinic.LanguageSimple), "any language: words are found as they are written"},
		},
		"field": {
			{"title", "the record's title"},
			{"description", "the record's description"},
			{"symptoms", "the record's symptoms"},
			{"diagnosis", "the record's diagnosis"},
			{"treatment", "the record's treatment"},
			{"medications", "the record's medications"},
			{"doctor_comments", "a comment on the record, whose id is in comment"},
		},
		"user_type": {
			{string(clinic.RolePatient), "keeps health records"},
			{string(clinic.RoleDoctor), "reads the records of assigned patients, and comments on them"},
			{string(clinic.RoleAdmin), "verifies doctors and assigns them to patients, and sees no records"},
		},
		"source": {
			{string(clinic.SourceREST), "a call of this API"},
			{string(clinic.SourceKubernetes), "a DoctorAssignment object in Kubernetes"},
			{string(clinic.SourceBreakGlass), "a doctor's emergency access"},
		},
		"reason": {
			{string(clinic.ReasonOwn), "a patient's own data"},
			{string(clinic.ReasonAssignment), "the doctor is assigned to the patient"},
			{string(clinic.ReasonBreakGlass), "the doctor has emergency access"},
			{string(clinic.ReasonRole), "the role allows it, as for administrators and programs"},
			{string(clinic.ReasonRefused), "access was refused"},
		},
		"ordering": {
			{string(clinic.OrderVisitDesc), "by the date of the visit, latest first"},
			{string(clinic.OrderVisitAsc), "by the date of the visit, earliest first"},
			{string(clinic.OrderCreatedDesc), "by the time when the record was created, latest first"},
			{string(clinic.OrderCreatedAsc), "by the time when the record was created, earliest first"},
		},
		"state": {
			{string(clinic.ErasureRequested), "waits for another administrator, who confirms it"},
			{string(clinic.ErasureDone), "carried out, for good"},
		},
		"decision":          decisionMeanings(),
		"notification_type": notificationMeanings(),
	}
}

func decisionMeanings() []meaning {
	all := []meaning{{clinic.DecisionAllowed, "the request was carried out"}}
	for _, code := range clinic.RefusalCodes() {
		all = append(all, meaning{string(code), "refused with this code of an error, or a code that refines it"})
	}
	return all
}

func notificationMeanings() []meaning {
	names := map[clinic.Recipients]string{
		clinic.ToPatient: "the patient", clinic.ToDoctor: "the doctor", clinic.ToCareTeam: "the assigned doctors",
		clinic.ToAdmins: "every administrator",
	}
	var all []meaning
	for _, kind := range clinic.NotificationKinds() {
		var recipients []string
		for _, r := range kind.Recipients {
			recipients = append(recipients, names[r])
		}
		text := fmt.Sprintf("the event `%s`, for %s", kind.Event, strings.Join(recipients, " and "))
		if kind.SelfMade {
			text += ", if doctors assigned themselves"
		}
		all = append(all, meaning{string(kind.Type), text})
	}
	return all
}

// explainEnums lists the meanings of an enum's values below its description.
func explainEnums(document *huma.OpenAPI) {
	known := meanings()
	for _, schema := range document.Components.Schemas.Map() {
		explainProperties(known, schema, map[*huma.Schema]bool{})
	}
	eachOperation(document, func(op *huma.Operation) {
		for _, p := range op.Parameters {
			p.Description = explain(p.Description, known[p.Name], p.Schema.Enum)
		}
	})
}

// explainProperties also explains the properties of nested schemas that are no components.
func explainProperties(known map[string][]meaning, schema *huma.Schema, done map[*huma.Schema]bool) {
	if schema == nil || done[schema] {
		return
	}
	done[schema] = true
	for name, property := range schema.Properties {
		property.Description = explain(property.Description, known[name], property.Enum)
		explainProperties(known, property, done)
	}
	explainProperties(known, schema.Items, done)
}

// explain adds the meanings of the values to a description, as a list in Markdown.
func explain(description string, known []meaning, values []any) string {
	var list strings.Builder
	for _, m := range known {
		for _, value := range values {
			if fmt.Sprint(value) == m.value {
				fmt.Fprintf(&list, "\n- `%s`: %s", m.value, m.text)
			}
		}
	}
	if list.Len() == 0 {
		return description
	}
	return strings.TrimSpace(description + "\n" + list.String())
}
