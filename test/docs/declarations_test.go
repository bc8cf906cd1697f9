package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func texts[T ~string](values []T) []string {
	var all []string
	for _, value := range values {
		all = append(all, string(value))
	}
	return all
}

// declared returns the values of each field and parameter of the API that has a fixed set of values.
func declared() map[string][]string {
	var notifications []string
	for _, kind := range clinic.NotificationKinds() {
		notifications = append(notifications, string(kind.Type))
	}
	return map[string][]string{
		"record_type":       texts(clinic.RecordTypes()),
		"ordering":          texts(clinic.RecordOrders()),
		"user_type":         texts(clinic.Roles()),
		"blood_type":        clinic.BloodTypes(),
		"source":            texts(clinic.AssignmentSources()),
		"reason":            texts(clinic.AccessReasons()),
		"decision":          append([]string{clinic.DecisionAllowed}, texts(clinic.RefusalCodes())...),
		"notification_type": notifications,
		"language":          texts(clinic.Languages()),
		"field":             clinic.SearchFields(),
		"state":             texts(clinic.ErasureStates()),
	}
}

// TestDocumentNamesWhatTheClinicDeclares compares each enum of the OpenAPI document
// with the declaration in package clinic, by the name of the field or parameter.
func TestDocumentNamesWhatTheClinicDeclares(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(testkit.Root(t), "api/openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := yaml.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	want, seen := declared(), map[string]bool{}
	eachEnum(document, "", func(name string, values []string) {
		values = slices.DeleteFunc(values, func(v string) bool { return v == "" || v == "<nil>" }) // an optional field may have none
		if slices.Equal(values, []string{"true", "false"}) || len(values) == 1 {
			return // a flag, or a constant
		}
		allowed := [][]string{want[name]}
		if name == "user_type" {
			allowed = append(allowed, texts(clinic.RegisteredRoles()))
		}
		if name == "source" { // of a claim
			allowed = append(allowed, slices.DeleteFunc(texts(clinic.AssignmentSources()), func(s string) bool { return s == string(clinic.SourceBreakGlass) }))
		}
		if !slices.ContainsFunc(allowed, func(a []string) bool { return slices.Equal(a, values) }) {
			t.Errorf("%s is one of %q, and the clinic declares %q: change the enum in server/rest and run hack/generate openapi", name, values, want[name])
		}
		seen[name] = true
	})
	for name := range want {
		if !seen[name] {
			t.Errorf("no field or parameter %s has an enum", name)
		}
	}
}

// eachEnum calls do with each enum below node, and the name of its field or parameter.
func eachEnum(node any, name string, do func(name string, values []string)) {
	switch n := node.(type) {
	case []any:
		for _, item := range n {
			eachEnum(item, name, do)
		}
	case map[string]any:
		if own, is := n["name"].(string); is && n["in"] != nil {
			name = own
		}
		if enum, is := n["enum"].([]any); is {
			var values []string
			for _, value := range enum {
				values = append(values, fmt.Sprint(value))
			}
			do(name, values)
		}
		for key, child := range n {
			below := name
			if properties, is := child.(map[string]any); is && key == "properties" {
				for property, schema := range properties {
					eachEnum(schema, property, do)
				}
				continue
			}
			eachEnum(child, below, do)
		}
	}
}

// TestArchitectureListsTheKindsOfNotifications compares its table with the declaration.
func TestArchitectureListsTheKindsOfNotifications(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	words := map[clinic.Recipients]string{
		clinic.ToPatient: "the patient", clinic.ToDoctor: "the doctor", clinic.ToCareTeam: "the assigned doctors",
		clinic.ToAdmins: "every administrator",
		clinic.ToUser:   "the user",
	}
	for _, kind := range clinic.NotificationKinds() {
		var recipients []string
		for _, r := range kind.Recipients {
			recipients = append(recipients, words[r])
		}
		event := "`" + string(kind.Event) + "`"
		if kind.SelfMade {
			event += ", by a doctor for themselves"
		}
		row := fmt.Sprintf("| `%s` | %s | %s |", kind.Type, event, strings.Join(recipients, ", "))
		if !strings.Contains(string(content), row) {
			t.Errorf("docs/architecture.md has no row %s", row)
		}
	}
}

// TestImportNamesEveryRecordType checks that docs/import.md has every type of record that FHIR resources become.
func TestImportNamesEveryRecordType(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs/import.md"))
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for line := range strings.Lines(string(content)) {
		if _, becomes, is := strings.Cut(line, "| record: "); is {
			named = append(named, regexp.MustCompile(`\b[A-Z]{2,}(?:_[A-Z]+)*\b`).FindAllString(strings.ReplaceAll(becomes, "`EMER`", ""), -1)...)
		}
	}
	want := texts(clinic.RecordTypes())
	slices.Sort(named)
	slices.Sort(want)
	if !slices.Equal(named, want) {
		t.Errorf("docs/import.md names %q, and the clinic declares %q", named, want)
	}
}
