package server

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// examples are bodies that an operation takes, by its id. The documentation page fills the first one in; where there is
// none it takes the examples of all fields together, which is right only where all of them may be sent together.
func examples() map[string]map[string]*huma.Example {
	const name, secret = "patient1", "securepass123"
	one := func(summary string, body map[string]any) map[string]*huma.Example {
		return map[string]*huma.Example{"example": {Summary: summary, Value: body}}
	}
	profile := func() map[string]any {
		return map[string]any{"first_name": "John", "last_name": "Doe", "email": "patient@example.com", "phone_number": "+1234567890"}
	}
	registration := profile()
	registration["username"], registration["password"], registration["password_confirm"] = name, secret, secret
	registration["user_type"] = string(clinic.RolePatient)
	return map[string]map[string]*huma.Example{
		"register":       one("A patient", registration),
		"login":          one("Without a second factor", map[string]any{"username": name, "password": secret}),
		"replaceProfile": one("Anybody", profile()),
		"changeProfile":  one("Anybody", map[string]any{"phone_number": "+1234567890"}),
		"changeRecord":   one("One field", map[string]any{"diagnosis": "Patient appears healthy"}),
		"assignDoctor": {
			"administrator": {Summary: "An administrator assigns a doctor", Value: map[string]any{"patient_id": 1, "doctor_id": 1}},
			"doctor": {
				Summary: "A doctor assigns themselves",
				Value:   map[string]any{"patient_id": 1, "reason": "primary care", "password": secret},
			},
		},
	}
}

// documentExamples puts them beside the schemas of the bodies.
func documentExamples(document *huma.OpenAPI) {
	all := examples()
	for _, op := range operations(document) {
		if op.RequestBody == nil || all[op.OperationID] == nil {
			continue
		}
		for _, content := range op.RequestBody.Content {
			content.Examples = all[op.OperationID]
		}
	}
}
