package clinic_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// lines are the fields that other people's lists show, each with a function that
// validates a text for the field and returns the text to store.
func lines() map[string]func(text string) (string, error) {
	profile := func(role clinic.Role, of func(*clinic.ProfileChange) **string) func(string) (string, error) {
		return func(text string) (string, error) {
			var c clinic.ProfileChange
			*of(&c) = &text
			err := c.Validate(role)
			return text, err
		}
	}
	registration := func(of func(*clinic.Registration) *string) func(string) (string, error) {
		return func(text string) (string, error) {
			r := clinic.Registration{Username: "doctor1", Password: "long enough to pass", Role: clinic.RoleDoctor}
			*of(&r) = text
			err := r.Validate()
			return *of(&r), err
		}
	}
	return map[string]func(string) (string, error){
		"first_name":                   profile(clinic.RolePatient, func(c *clinic.ProfileChange) **string { return &c.FirstName }),
		"last_name":                    profile(clinic.RolePatient, func(c *clinic.ProfileChange) **string { return &c.LastName }),
		"specialization":               profile(clinic.RoleDoctor, func(c *clinic.ProfileChange) **string { return &c.Specialization }),
		"first_name, registration":     registration(func(r *clinic.Registration) *string { return &r.FirstName }),
		"last_name, registration":      registration(func(r *clinic.Registration) *string { return &r.LastName }),
		"specialization, registration": registration(func(r *clinic.Registration) *string { return &r.Specialization }),
		"first_name, verification": func(text string) (string, error) {
			v := clinic.Verification{Name: &clinic.Name{First: text}}
			err := v.Validate()
			return v.Name.First, err
		},
		"title": func(text string) (string, error) {
			r := importedRecord("1").RecordFields
			r.Title = text
			err := r.Validate()
			return r.Title, err
		},
		"reason": func(text string) (string, error) {
			r := clinic.AssignmentRequest{Reason: text}
			err := r.Validate(time.Now())
			return r.Reason, err
		},
		"reason, emergency": func(text string) (string, error) {
			r := clinic.BreakGlassRequest{Reason: text}
			err := r.Validate()
			return r.Reason, err
		},
		"reason, declaration": func(text string) (string, error) {
			d := clinic.Declaration{Owner: clinic.Owner{UID: "uid"}, Doctors: []string{"doctor1"}, Patients: []string{"patient1"}, Reason: text}
			err := d.Validate()
			return d.Reason, err
		},
	}
}

func TestLinesHoldNothingThatDeceives(t *testing.T) {
	t.Parallel()
	deceiving := []rune{0x061c, 0x200e, 0x200f, 0x2028, 0x2029}
	for _, span := range [][2]rune{{0, 0x1f}, {0x7f, 0x9f}, {0x202a, 0x202e}, {0x2066, 0x2069}} {
		for r := span[0]; r <= span[1]; r++ {
			deceiving = append(deceiving, r)
		}
	}
	for field, validate := range lines() {
		for _, r := range deceiving {
			for _, text := range []string{"Jane" + string(r) + "Smith", string(r) + "Jane", "Jane " + string(r)} {
				if field == "reason, declaration" && strings.HasSuffix(text, string(r)) && (r == '\n' || r == '\r') {
					continue // how YAML ends a block
				}
				_, err := validate(text)
				name, _, _ := strings.Cut(field, ",")
				if !faulty(err, name) {
					t.Errorf("%s accepts %q: %v", field, text, err)
				}
			}
		}
	}
}

func faulty(err error, field string) bool {
	var e *clinic.Error
	if !errors.As(err, &e) || e.Code != clinic.CodeInvalid {
		return false
	}
	for _, f := range e.Fields {
		if f.Field == field {
			return true
		}
	}
	return false
}

func TestLinesTakeNamesOfAnyLanguage(t *testing.T) {
	t.Parallel()
	for field, validate := range lines() {
		for text, want := range map[string]string{
			"José":              "José", // decomposed
			"Jose\u0301":        "José",
			"Å":                 "Å", // the angstrom sign
			"  Jane Smith ":     "Jane Smith",
			"שרה כהן":           "שרה כהן",
			"می\u200cخواهم":     "می\u200cخواهم", // a joiner of written Persian
			"O’Brien-Łuczak, 3": "O’Brien-Łuczak, 3",
			"陳大文":               "陳大文",
		} {
			if got, err := validate(text); err != nil || got != want {
				t.Errorf("%s makes %q of %q, want %q (%v)", field, got, text, want, err)
			}
		}
	}
}

// Two texts that look alike are equal: characters that are not drawn are left out.
func TestLinesThatLookAlikeAreAlike(t *testing.T) {
	t.Parallel()
	for field, validate := range lines() {
		for text, want := range map[string]string{
			"Jane\u200bSmith": "JaneSmith", "\ufeffJane\u00ad\u2060 Sm\u180eith\u200b": "Jane Smith", "Jose\u034f\u0301": "Jos\u00e9",
			"Ja\u2062n\u206ae\U000e0041": "Jane", "Jane \u200b": "Jane",
			// Joiners and selectors make no difference here,
			"Ja\u200dne\u200c Smi\ufe0fth": "Jane Smith", "\u200dJane\U000e0100": "Jane", "\u0416\u200c\u043e": "\u0416\u043e", "x\u0301\u200dy": "x\u0301y", "1\u200d2": "12",
			"\u0645\u06cc\u200c\u200d\u200c\u062e": "\u0645\u06cc\u200c\u062e",
			// and here they do.
			"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", // Persian
			"\u0d28\u0d7b\u0d4d\u200d\u0d31":                   "\u0d28\u0d7b\u0d4d\u200d\u0d31",                   // Malayalam
			"\u845b\U000e0100\u98fe":                           "\u845b\U000e0100\u98fe",                           // a Japanese name
			"\U0001f469\U0001f3fd\u200d\u2695\ufe0f":           "\U0001f469\U0001f3fd\u200d\u2695\ufe0f",
			"\u2764\ufe0f\u200d\U0001fa79":                     "\u2764\ufe0f\u200d\U0001fa79",
		} {
			if got, err := validate(text); err != nil || got != want {
				t.Errorf("%s makes %q of %q, want %q (%v)", field, got, text, want, err)
			}
		}
	}
	if rules := clinic.CheckLine("Jane\u200bSmith", 0); len(rules) != 1 {
		t.Errorf("the report of a stored text is %q", rules)
	}
}

func invisible() []string {
	return []string{
		"\u200b", "\u00ad", "\u034f", "\u115f", "\u1160", "\u17b4", "\u180e", "\u2060", "\u2061", "\u2800", "\u3164", "\ufe0f", "\ufeff",
		"\uffa0", "\U0001d159", "\U000e0020", "\U000e0041", "\U000e0100", "\u200d\u2800 \u3164", "\u0301",
	}
}

func TestWhatCannotBeSeenIsNothing(t *testing.T) {
	t.Parallel()
	required := map[string]bool{"title": true, "reason, emergency": true}
	for field, validate := range lines() {
		name, _, _ := strings.Cut(field, ",")
		for _, text := range invisible() {
			if _, err := validate(text); !faulty(err, name) {
				t.Errorf("%s accepts %q: %v", field, text, err)
			}
			if got, err := validate("x" + text); err != nil {
				t.Errorf("%s refuses %q beside a letter: %v", field, got, err)
			}
		}
		for _, text := range []string{"", " ", "\u00a0\u3000"} {
			if got, err := validate(text); faulty(err, name) != required[field] || got != "" {
				t.Errorf("%s makes %q of %q: %v", field, got, text, err)
			}
		}
	}
	for _, text := range append(invisible(), "", " \n") {
		if err := clinic.ValidateComment(&text); !faulty(err, "comment") {
			t.Errorf("a comment may be %q: %v", text, err)
		}
	}
}

// A text of several lines has a place of its own: it may have line breaks, and the marks of
// languages that are written from right to left.
func TestLongTextsHaveLinesAndDirections(t *testing.T) {
	t.Parallel()
	validate := func(text string) (string, error) {
		r := importedRecord("1").RecordFields
		r.Description = text
		err := r.Validate()
		return r.Description, err
	}
	good := "first line\r\n\tcafe\u0301 \u200e\u2067שלום\u2069\u200f"
	if got, err := validate(good); err != nil || got != strings.Replace(good, "e\u0301", "é", 1) {
		t.Errorf("made %q of %q: %v", got, good, err)
	}
	for _, r := range "\x00\x07\x0b\x1b\x7f\u0085\u009b\u202a\u202b\u202c\u202d\u202e" {
		if _, err := validate("take 10" + string(r) + " mg"); !faulty(err, "description") {
			t.Errorf("%U is accepted: %v", r, err)
		}
	}
}

func TestLicenseNumbersAreASCII(t *testing.T) {
	t.Parallel()
	validate := func(number string) (string, error) {
		c := clinic.ProfileChange{LicenseNumber: &number}
		err := c.Validate(clinic.RoleDoctor)
		return number, err
	}
	for given, want := range map[string]string{
		"CA-1234": "CA-1234", "\u00a0ca-1234a\u00a0": "CA-1234A", "ＤＯＣ１２": "DOC12", "12\u00a034/5.6": "12 34/5.6", "DOC00000l": "DOC00000L",
	} {
		if got, err := validate(given); err != nil || got != want {
			t.Errorf("made %q of %q, want %q (%v)", got, given, want, err)
		}
	}
	for _, number := range []string{
		"", " ", "-", "./", "САDOC1", "DOС1", "ΑB1", "१२३", "CA_1", "CA\u200b1", "CA–1", "CA\n1", "CA\u202e1", "Ⓐé", strings.Repeat("1", 51), strings.Repeat("Ⅷ", 20),
	} {
		if _, err := validate(number); !faulty(err, "license_number") {
			t.Errorf("%q is accepted: %v", number, err)
		}
	}
}

// OneLine makes an acceptable line of any text.
func FuzzOneLine(f *testing.F) {
	for _, text := range append(invisible(), "Jane\nSmith", " \u202eenaJ\u202c ", "Jose\u0301", "\xff", "a\u2028b") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line := clinic.OneLine(text)
		if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("%q is made of %q", line, text)
		}
		r := clinic.AssignmentRequest{Reason: line}
		if err := r.Validate(time.Now()); err != nil && len(line) < clinic.MaxReason && strings.ToValidUTF8(text, "") == text {
			t.Errorf("%q, made of %q: %v", line, text, err)
		}
	})
}

// The administrator's decision is compared with the doctor's present state.
func TestVerificationApprovesWhatWasSeen(t *testing.T) {
	t.Parallel()
	present, pending := clinic.Name{First: "Eve", Last: "Night"}, clinic.Name{First: "Jane", Last: "Smith"}
	number, another := "CA-1", "CA-2"
	for _, test := range []struct {
		pending  *clinic.Name
		said     clinic.Verification
		approves bool
		reason   string
	}{
		{nil, clinic.Verification{}, false, ""},
		{&pending, clinic.Verification{}, true, ""},
		{&pending, clinic.Verification{Name: &pending, LicenseNumber: &number}, true, ""},
		{&pending, clinic.Verification{Name: &present}, false, ""},
		{nil, clinic.Verification{Name: &present, LicenseNumber: &number}, false, ""},
		{nil, clinic.Verification{Name: &pending}, false, "doctor_changed"},
		{&present, clinic.Verification{Name: &pending}, false, "doctor_changed"},
		{&pending, clinic.Verification{Name: &pending, LicenseNumber: &another}, false, "doctor_changed"},
		{&pending, clinic.Verification{LicenseNumber: &another}, false, "doctor_changed"},
		{nil, clinic.Verification{LicenseNumber: &number}, false, ""},
	} {
		doctor := clinic.Doctor{User: clinic.User{FirstName: "Eve", LastName: "Night"}, LicenseNumber: number, PendingName: test.pending}
		approves, err := test.said.Approves(doctor)
		if approves != test.approves || clinic.ReasonOf(err) != test.reason {
			t.Errorf("%s: approves %t, %v", fmt.Sprint(test), approves, err)
		}
	}
}
