package fhir

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// canary stands for health data: no fault may quote it.
const canary = "Kanarienvogel"

func TestReadNamesThePlaceOfAFault(t *testing.T) {
	t.Parallel()
	const head = "{\"resourceType\": \"Bundle\", \"type\": \"transaction\",\n\"entry\": [\n"
	const good = "{\"resource\": {\"resourceType\": \"Claim\", \"note\": \"" + canary + "\"}},\n"
	for name, c := range map[string]struct {
		document string
		line     int64
		at       string // the text at the offset
		path     string
	}{
		"empty":             {"", 1, "", ""},
		"no object":         {`"` + canary + `"`, 1, `"`, ""},
		"no JSON":           {"<Bundle>" + canary, 1, "<", ""},
		"no bundle":         {`{"resourceType": "Patient", "name": "` + canary + `"}`, 1, `"name"`, "/resourceType"},
		"no type":           {`{"resourceType": "Bundle", "entry": []}` + "\n", 2, "", ""},
		"wrong type":        {`{"resourceType": "Bundle", "type": "` + canary + `"}` + "\n", 2, "", ""},
		"type is a number":  {`{"resourceType": "Bundle", "type": 5}`, 1, "5", "/type"},
		"entry no array":    {`{"resourceType": "Bundle",` + "\n" + `"entry": "` + canary + `"}`, 2, `"`, "/entry"},
		"entry no object":   {head + good + "\"" + canary + "\"]}", 4, "\"", "/entry/1"},
		"cut off":           {head + good + `{"resource": {"resourceType": "Patient", "name": "` + canary, 4, "", "/entry/1/resource/name"},
		"comma missing":     {head + good + `{"fullUrl": "` + canary + `" "resource": {}}]}`, 4, `"resource"`, "/entry/1"},
		"twice":             {head + good + `{"resource": {` + "\n" + `"status": 1, "status": 2}}]}`, 5, `"status": 2`, "/entry/1/resource/status"},
		"twice, odd name":   {head + good + `{"resource": {"` + canary + ` x": 1, "` + canary + ` x": 2}}]}`, 4, `"`, "/entry/1/resource/..."},
		"no UTF-8":          {head + good + "{\"fullUrl\": \"" + canary + "\xff\"}]}", 4, "\xff", "/entry/1/fullUrl"},
		"one more document": {head + "{}]}\n" + head + "]}", 4, "{", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(strings.NewReader(c.document), Options{})
			var fault *ReadError
			if !errors.As(err, &fault) {
				t.Fatalf("error %v, want a ReadError", err)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the fault quotes the bundle: %v", err)
			}
			if fault.Line != c.line || fault.Path != c.path || !strings.HasPrefix(c.document[fault.Offset:], c.at) {
				t.Errorf("%v; want line %d, %s, and %q at the offset", err, c.line, c.path, c.at)
			}
		})
	}
}

func TestReadSkipsAResourceThatIsMisread(t *testing.T) {
	t.Parallel()
	document := "{\"resourceType\": \"Bundle\", \"type\": \"transaction\", \"entry\": [{\"resource\":\n" +
		"{\"resourceType\": \"Condition\",\n\"code\":\n{\"text\": {\"" + canary + "\": 1}}}},\n" +
		"{\"resource\": {\"resourceType\": \"" + canary + " " + canary + "\"}},\n" +
		"{\"resource\": {\"resourceType\": \"Observation\", \"valueQuantity\": {\"value\": \"" + canary + "\"}}}]}"
	b, err := Read(strings.NewReader(document), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Skipped) != 2 {
		t.Fatalf("skipped %v, want 2", b.Skipped)
	}
	first, second := b.Skipped[0], b.Skipped[1]
	if first.Type != "Condition" || first.At.Line != 4 || first.At.Path != "/entry/0/resource/code/text" ||
		!strings.HasPrefix(document[first.At.Offset:], "{\""+canary) {
		t.Errorf("the first is reported as a %s at %v", first.Type, first.At)
	}
	if second.Type != "Observation" || second.At.Line != 6 || second.At.Path != "/entry/2/resource/valueQuantity/value" {
		t.Errorf("the second is reported as a %s at %v", second.Type, second.At)
	}
	if diff := cmp.Diff(map[string]int{"unknown type": 1}, b.Unmapped); diff != "" {
		t.Error("not mapped:", diff)
	}
}

func TestReadKeepsToItsLimits(t *testing.T) {
	t.Parallel()
	document := `{"resourceType": "Bundle", "type": "batch", "entry": [{"resource": {}}, {"resource": {}}]}`
	size := int64(len(document))
	for name, c := range map[string]struct {
		opts Options
		ok   bool
	}{
		"just right": {Options{Bytes: size, Entries: 2}, true},
		"bytes":      {Options{Bytes: size - 1, Entries: 2}, false},
		"entries":    {Options{Bytes: size, Entries: 1}, false},
	} {
		_, err := Read(strings.NewReader(document), c.opts)
		var fault *ReadError
		if ok := err == nil; ok != c.ok || !ok && !errors.As(err, &fault) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"resourceType": "Bundle", "type": "batch", "entry": [{}, {"resource": null}, {"resource": {"resourceType": "Patient"}}]}`,
		`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"a","resource":{"resourceType":"Observation","hasMember":[{"reference":"a"}]}},` +
			`{"resource":{"resourceType":"DiagnosticReport","issued":"2020","result":[{"reference":"a"}]}}]}`,
		`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"MedicationRequest","contained":[5,{"id":"m"}],` +
			`"medicationReference":{"reference":"#m"},"authoredOn":"2020-01-01","dosageInstruction":[{"timing":{"repeat":{"period":1e99,"x":1}}}]}}]}`,
		`{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1"}},` +
			`{"fullUrl":"http://a/Condition/1","resource":{"resourceType":"Condition","subject":{"reference":"Patient/1/_history/1"},"encounter":{"reference":"#e"},` +
			`"contained":[{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient?identifier=a|b"}}],"code":{"text":"x"},"recordedDate":"2020"}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		b, err := Read(strings.NewReader(string(document)), Options{Bytes: 1 << 20, Entries: 100})
		if err != nil {
			var fault *ReadError
			if !errors.As(err, &fault) {
				t.Fatalf("%v is no ReadError", err)
			}
			inside(t, fault.Position, document)
			return
		}
		for _, s := range b.Skipped {
			inside(t, s.At, document)
		}
		valid, refused, _ := b.Import.Check()
		if len(valid.Records)+len(valid.Accounts)+len(refused) != len(b.Import.Records)+len(b.Import.Accounts) {
			t.Error("something is neither valid nor refused")
		}
		for _, r := range refused {
			inside(t, b.Refused(r).At, document)
		}
		for _, s := range b.Omitted {
			inside(t, s.At, document)
		}
		for _, a := range valid.Accounts {
			if !absolute(a.SourceID) && !strings.Contains(a.SourceID, "|") {
				t.Error("a person has an identity that another file may give to another person")
			}
		}
	})
}

// inside checks that a position is inside the document.
func inside(t *testing.T, p Position, document []byte) {
	t.Helper()
	if p.Offset < 0 || p.Offset > int64(len(document)) || p.Line != int64(1+strings.Count(string(document[:p.Offset]), "\n")) {
		t.Errorf("%v is not in the document of %d bytes", p, len(document))
	}
}

// The path of a fault has to fit a line of a report, however deep the file is.
func TestAFaultsPathIsShort(t *testing.T) {
	t.Parallel()
	deep := "/entry/0/resource/code/extension" + strings.Repeat("/0", 10_000)
	if path := safePath(jsontext.Pointer(deep)); len(path) > 300 || !strings.HasPrefix(path, "/entry/0/resource/code/extension/0/0") || !strings.HasSuffix(path, "/...") {
		t.Errorf("a path of %d bytes: %.300s", len(path), path)
	}
}
