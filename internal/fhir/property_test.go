package fhir

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// made is an entry of a generated bundle, or a resource inside one, with the facts known to its generator.
type made struct {
	number            int    // of the entry
	marker            string // in its texts
	kind, id, fullURL string
	base              string   // of the fullURL, "" for none
	keys              []string // "system|value" of a person's identifiers
	subject           *string
	wrong             bool // entered in error
	inside            []*made
	resource          map[string]any
}

// people returns the people whom a reference in the entry names (hl7.org/fhir/R4/bundle.html#references).
func people(entries []*made, from *made, ref string) []*made {
	ref, _, _ = strings.Cut(ref, "/_history/")
	query, conditional := strings.CutPrefix(ref, "Patient?identifier=")
	var found []*made
	for _, e := range entries {
		named := e.fullURL == ref && e.fullURL != ""
		switch {
		case conditional:
			named = slices.Contains(e.keys, query)
		case !strings.Contains(ref, ":") && from.base != "":
			named = e.fullURL == from.base+ref
		case !strings.Contains(ref, ":"):
			named = e.kind+"/"+e.id == ref || strings.TrimPrefix(e.fullURL, e.base) == ref
		}
		if named && e.kind == "Patient" {
			found = append(found, e)
		}
	}
	return found
}

// patientOf returns the SourceID of the one patient whom the reference names, by
// the imported accounts; "" where it names none, or several.
func patientOf(entries []*made, accounts map[int]string, from *made, ref *string) string {
	if ref == nil {
		return ""
	}
	id := ""
	for i, p := range people(entries, from, *ref) {
		if i > 0 && accounts[p.number] != id {
			return ""
		}
		id = accounts[p.number]
	}
	return id
}

// bundleOf draws a bundle of several hospitals, whose ids collide.
func bundleOf(t *rapid.T) []*made {
	var entries []*made
	for range rapid.IntRange(1, 4).Draw(t, "patients") {
		entries = append(entries, located(t, "Patient", len(entries)))
	}
	for _, e := range entries {
		var identifiers []map[string]any
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, 4), 0, 2).Draw(t, "identifiers") {
			value, code := "shared", []string{"MR", "SN", "PI", "", "MR"}[i]
			if i == 0 || rapid.Bool().Draw(t, "own") {
				value = strconv.Itoa(e.number)
			}
			identifier := map[string]any{"system": "s" + code, "value": value, "use": "usual"}
			if code != "" {
				identifier["type"] = map[string]any{"coding": []any{map[string]any{"code": code}}}
			}
			if i == 4 {
				identifier["use"] = "old"
			}
			identifiers = append(identifiers, identifier)
			e.keys = append(e.keys, "s"+code+"|"+value)
		}
		e.resource["identifier"], e.resource["name"] = identifiers, []any{map[string]any{"family": e.marker}}
	}
	patients := entries
	for range rapid.IntRange(1, 8).Draw(t, "others") {
		kind := rapid.SampledFrom([]string{"Condition", "Encounter", "Observation", "DiagnosticReport", "MedicationRequest"}).Draw(t, "kind")
		e := located(t, kind, len(entries))
		e.about(t, patients)
		entries = append(entries, e)
	}
	for _, e := range entries[len(patients):] {
		e.contain(t, patients)
		e.referTo(t, entries)
	}
	return entries
}

// located draws the place of an entry.
func located(t *rapid.T, kind string, number int) *made {
	e := &made{kind: kind, number: number, marker: fmt.Sprintf("<%d>", number), id: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "id")}
	switch at := rapid.SampledFrom([]string{"http://a/", "https://b.example/fhir/", "urn", "none", "relative"}).Draw(t, "at"); at {
	case "urn":
		e.fullURL = "urn:uuid:" + strconv.Itoa(number-rapid.SampledFrom([]int{0, 0, 0, 0, 1}).Draw(t, "twin"))
	case "none":
	case "relative":
		e.fullURL = kind + "/" + e.id
	default:
		e.base = at
		e.fullURL = at + kind + "/" + e.id
	}
	e.resource = map[string]any{"resourceType": kind, "id": e.id}
	return e
}

// about draws the subject and the text.
func (e *made) about(t *rapid.T, patients []*made) {
	e.subject = subjectOf(t, patients)
	if e.subject != nil {
		e.resource["subject"] = map[string]any{"reference": *e.subject}
	}
	e.wrong = rapid.SampledFrom([]bool{false, false, true}).Draw(t, "wrong")
	status := "final"
	if e.wrong {
		status = "entered-in-error"
	}
	text := map[string]any{"text": e.marker}
	e.resource["code"], e.resource["type"], e.resource["medicationCodeableConcept"] = text, []any{text}, text
	e.resource["status"] = status
	e.resource["verificationStatus"] = map[string]any{"coding": []any{map[string]any{"code": status}}}
	const day = "2020-01-02"
	e.resource["onsetDateTime"], e.resource["authoredOn"], e.resource["issued"] = day, day, day
	e.resource["period"] = map[string]any{"start": day}
	e.resource["valueInteger"] = 1
	if e.kind == "Encounter" { // each has a doctor of its own
		e.resource["participant"] = []any{map[string]any{"individual": map[string]any{"reference": "Practitioner?identifier=staff|" + strconv.Itoa(e.number)}}}
	}
	delete(e.resource, map[string]string{"Condition": "type", "Observation": "type"}[e.kind])
}

// subjectOf draws a reference to a patient, or an invalid one.
func subjectOf(t *rapid.T, patients []*made) *string {
	p := rapid.SampledFrom(patients).Draw(t, "subject")
	refs := []string{p.kind + "/" + p.id, p.kind + "/" + p.id + "/_history/2", "http://a/Patient/" + p.id, "Patient/9", "#" + p.id, "Group/1", "urn:uuid:zzz"}
	if p.fullURL != "" {
		refs = append(refs, p.fullURL, p.fullURL, p.fullURL)
	}
	for _, key := range p.keys {
		refs = append(refs, "Patient?identifier="+key)
	}
	ref := rapid.SampledFrom(refs).Draw(t, "reference")
	if rapid.IntRange(0, 9).Draw(t, "subject is there") == 0 {
		return nil
	}
	return &ref
}

// contain draws observations inside the entry.
func (e *made) contain(t *rapid.T, patients []*made) {
	var contained []any
	for i := range rapid.IntRange(0, 2).Draw(t, "contained") {
		id := strconv.Itoa(i)
		c := &made{kind: "Observation", number: e.number, marker: fmt.Sprintf("<%d.%d>", e.number, i), base: e.base, id: id}
		c.resource = map[string]any{"resourceType": c.kind, "id": id, "hasMember": []any{map[string]any{"reference": "#1"}}}
		c.about(t, patients)
		e.inside = append(e.inside, c)
		contained = append(contained, c.resource)
	}
	e.resource["contained"] = contained
}

// referTo draws references to other entries, and to resources inside the entry.
func (e *made) referTo(t *rapid.T, entries []*made) {
	refs := func(what string) []any {
		var all []any
		for _, other := range rapid.SliceOfN(rapid.SampledFrom(slices.Concat(entries, e.inside)), 0, 3).Draw(t, what) {
			ref := other.kind + "/" + other.id
			if slices.Contains(e.inside, other) {
				ref = "#" + other.id
			} else if other.fullURL != "" && rapid.Bool().Draw(t, "absolute") {
				ref = other.fullURL
			}
			all = append(all, map[string]any{"reference": ref})
		}
		return all
	}
	e.resource["reasonReference"], e.resource["result"], e.resource["hasMember"] = refs("reason"), refs("result"), refs("member")
	if visit := refs("visit"); len(visit) > 0 {
		e.resource["encounter"] = visit[0]
	}
}

func documentOf(t *rapid.T, entries []*made) string {
	var all []any
	for _, e := range entries {
		entry := map[string]any{"resource": e.resource}
		if e.fullURL != "" {
			entry["fullUrl"] = e.fullURL
		}
		all = append(all, entry)
	}
	for i := range entries {
		all = append(all, map[string]any{"fullUrl": fmt.Sprintf("urn:uuid:doctor-%d", i), "resource": map[string]any{
			"resourceType": "Practitioner", "identifier": []any{map[string]any{"system": "staff", "value": strconv.Itoa(i)}},
		}})
	}
	document, err := json.Marshal(map[string]any{"resourceType": "Bundle", "type": "collection", "entry": all})
	if err != nil {
		t.Fatal(err)
	}
	return string(document)
}

// However ids collide and references are written: a record belongs to the patient
// whom its own subject names, its text comes from that patient's own
// entries, only that patient's own visits give a doctor access, and every omission is reported.
func TestNoRecordLandsWithAPatientWhomItsSubjectDoesNotName(t *testing.T) {
	t.Parallel()
	landed, taken := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		entries := bundleOf(t)
		b, err := Read(strings.NewReader(documentOf(t, entries)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		valid, refused, _ := b.Import.Check()
		accounts := map[int]string{}
		for _, a := range valid.Accounts {
			accounts[a.Entry] = a.SourceID
			if !absolute(a.SourceID) && !strings.Contains(a.SourceID, "|") {
				t.Errorf("%s may be another person in another file", a.SourceID)
			}
		}
		told := map[string]bool{}
		for _, s := range b.Skipped {
			told[s.At.Path] = true
		}
		for _, r := range refused {
			told[b.Refused(r).At.Path] = true
		}
		for _, r := range valid.Records {
			told[fmt.Sprintf("/entry/%d/resource", r.Entry)] = true
			landed++
			taken += ofOne(t, entries, accounts, r)
		}
		for i, e := range entries {
			if e.kind != "Observation" && e.kind != "Patient" && !told[fmt.Sprintf("/entry/%d/resource", i)] {
				t.Errorf("the report does not mention entry %d, %s", i, e.kind)
			}
		}
		for _, m := range valid.CareTeam {
			visit, err := strconv.Atoi(strings.TrimPrefix(m.Doctor, "staff|"))
			if err != nil || entries[visit].wrong {
				t.Errorf("%v belongs to no visit: %v", m, err)
			} else if who := patientOf(entries, accounts, entries[visit], entries[visit].subject); known(accounts, m.Patient) && who != m.Patient {
				t.Errorf("%v belongs to a visit of %q", m, who)
			}
		}
	})
	if landed == 0 || taken == 0 {
		t.Errorf("%d records landed and included %d other entries: the bundle tests nothing", landed, taken)
	}
}

// ofOne checks that all parts of the record belong to its patient, and counts the
// other entries that it includes.
func ofOne(t *rapid.T, entries []*made, accounts map[int]string, r clinic.ImportedRecord) (others int) {
	own := entries[r.Entry]
	who := patientOf(entries, accounts, own, own.subject)
	if known(accounts, r.Patient) && who != r.Patient || who != "" && who != r.Patient {
		t.Errorf("%s %d names %q and is %q's", own.kind, r.Entry, who, r.Patient)
	}
	text := strings.Join([]string{r.Title, r.Description, r.Symptoms, r.Diagnosis, r.Treatment, r.Medications}, "\n")
	for _, part := range parts(entries) {
		if !strings.Contains(text, part.marker) {
			continue
		}
		if part.wrong {
			t.Errorf("%s %s was entered in error and is in %s %d", part.kind, part.marker, own.kind, r.Entry)
		}
		if part == own {
			continue
		}
		others++
		if part.subject == nil && part.kind == "Observation" {
			continue
		}
		if of := patientOf(entries, accounts, part, part.subject); part.subject == nil || known(accounts, r.Patient) && of != r.Patient {
			t.Errorf("%s %s of %q is in %s %d of %q", part.kind, part.marker, of, own.kind, r.Entry, r.Patient)
		}
	}
	return others
}

// parts are the entries and the resources inside them.
func parts(entries []*made) []*made {
	all := slices.Clone(entries)
	for _, e := range entries {
		all = append(all, e.inside...)
	}
	return all
}

// known reports whether the bundle has the patient.
func known(accounts map[int]string, patient string) bool {
	return slices.Contains(slices.Collect(maps.Values(accounts)), patient)
}
