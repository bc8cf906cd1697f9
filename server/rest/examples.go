package rest

import (
	"maps"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// The documentation page fills in a body's first example, by name. It must work when it is sent unchanged, or change nothing:
// what would end or weaken something asks for a value that the page cannot know. If a route names no example, document.go
// derives one from the required fields.

// The account of the examples.
const (
	exampleUsername = "patient1"
	examplePassword = "securepass123"
)

// oneExample returns an operation's only example.
func oneExample(summary string, body map[string]any) map[string]*huma.Example {
	return map[string]*huma.Example{"example": {Summary: summary, Value: body}}
}

func exampleProfile() map[string]any {
	return map[string]any{"first_name": "John", "last_name": "Doe", "email": "patient@example.com", "phone_number": "+1234567890"}
}

func registerExample() map[string]*huma.Example {
	body := exampleProfile()
	body["username"], body["password"], body["password_confirm"] = exampleUsername, examplePassword, examplePassword
	body["user_type"] = string(clinic.RolePatient)
	examples := oneExample("A patient", body)
	examples["exampleForDoctor"] = &huma.Example{Summary: "A doctor", Value: map[string]any{
		"username": "doctor1", "password": examplePassword, "password_confirm": examplePassword, "user_type": string(clinic.RoleDoctor),
		"first_name": "Jane", "last_name": "Smith", "email": "doctor@example.com", "specialization": "General Medicine", "years_of_experience": 5,
	}}
	return examples
}

func loginExample() map[string]*huma.Example {
	body := map[string]any{"username": exampleUsername, "password": examplePassword}
	examples := oneExample("Without a second factor", body)
	second := maps.Clone(body)
	second["totp_code"] = "123456"
	examples["exampleWithCode"] = &huma.Example{Summary: "With a code of the second factor", Value: second}
	return examples
}

func replaceProfileExample() map[string]*huma.Example {
	examples := oneExample("A patient", exampleProfile())
	examples["exampleForDoctor"] = &huma.Example{Summary: "A doctor", Value: map[string]any{
		"first_name": "Jane", "last_name": "Smith", "email": "doctor@example.com", "phone_number": "+1234567891",
		"doctor_profile": map[string]any{"specialization": "General Medicine", "years_of_experience": 5},
	}}
	return examples
}

func changeProfileExample() map[string]*huma.Example {
	return oneExample("One field", map[string]any{"phone_number": "+1234567890"})
}

func changeRecordExample() map[string]*huma.Example {
	return oneExample("One field", map[string]any{"title": "Annual Physical"})
}

func correctCommentExample() map[string]*huma.Example {
	return oneExample("Another text", map[string]any{"comment": "Patient shows good health indicators. Recommend follow-up in six months."})
}

func searchRecordsExample() map[string]*huma.Example {
	examples := oneExample("Words", map[string]any{"query": "annual physical"})
	examples["exampleWithFilters"] = &huma.Example{Summary: "A phrase, the beginning of a word, and a word that must not occur", Value: map[string]any{
		"query": `"physical examination" health* -surgery`, "filters": map[string]any{"record_type": string(clinic.RecordCheckup), "from": "2025-01-01"},
		"page_size": 10,
	}}
	return examples
}

func createRecordExample() map[string]*huma.Example {
	return oneExample("A visit", map[string]any{
		"record_type": string(clinic.RecordCheckup), "title": "Annual Physical", "visit_date": "2025-05-27T10:00:00Z",
		"description": "Routine annual physical examination", "symptoms": "No specific symptoms", "diagnosis": "Patient appears healthy",
		"treatment": "Continue current lifestyle", "medications": "None",
	})
}

func changePasswordExample() map[string]*huma.Example {
	return oneExample("Replace both values", map[string]any{"current_password": "YOUR_PASSWORD", "new_password": "YOUR_NEW_PASSWORD"})
}

func disableTOTPExample() map[string]*huma.Example {
	return oneExample("Replace the value", map[string]any{"password": "YOUR_PASSWORD"})
}

func verifyDoctorExample() map[string]*huma.Example {
	examples := oneExample("Verify the license", map[string]any{"is_verified": true})
	examples["exampleWithName"] = &huma.Example{Summary: "Only if the doctor still has the name and the number that you checked", Value: map[string]any{
		"is_verified": true, "first_name": "Jane", "last_name": "Smith", "license_number": "DOC000001",
	}}
	examples["exampleOfRevocation"] = &huma.Example{Summary: "Revoke the verification", Value: map[string]any{"is_verified": false}}
	return examples
}

func assignDoctorExample() map[string]*huma.Example {
	return map[string]*huma.Example{
		"administrator": {Summary: "An administrator assigns a doctor", Value: map[string]any{"patient_id": 1, "doctor_id": 1}},
		"doctor": {
			Summary: "A doctor assigns themselves",
			Value:   map[string]any{"patient_id": 1, "reason": "primary care", "password": examplePassword},
		},
	}
}
