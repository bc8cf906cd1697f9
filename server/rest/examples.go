package rest

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// The documentation page fills in the first example of a body. Without an example it combines those of all fields, which is
// right only if they may all be sent together.

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
	return oneExample("A patient", body)
}

func loginExample() map[string]*huma.Example {
	return oneExample("Without a second factor", map[string]any{"username": exampleUsername, "password": examplePassword})
}

func replaceProfileExample() map[string]*huma.Example {
	return oneExample("The fields that every profile has", exampleProfile())
}

func changeProfileExample() map[string]*huma.Example {
	return oneExample("One field", map[string]any{"phone_number": "+1234567890"})
}

func changeRecordExample() map[string]*huma.Example {
	return oneExample("One field", map[string]any{"diagnosis": "Patient appears healthy"})
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
