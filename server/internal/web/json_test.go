package web

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

type decoded struct {
	Name   string    `json:"name"`
	Number int       `json:"number"`
	At     time.Time `json:"at"`
	Inner  *struct {
		Number int `json:"number"`
	} `json:"inner"`
}

// TestAWrongFieldDoesNotHideTheOthers, whatever their order is.
func TestAWrongFieldDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	var d decoded
	wrong := eachField([]byte(`{"at":"never","number":1e1,"inner":{"number":"x"},"name":"a","odd":[1]}`), &d)
	slices.Sort(wrong)
	if got := strings.Join(wrong, " "); got != "at inner.number number" || d.Name != "a" {
		t.Errorf("wrong are %q, and the rest is %+v", got, d)
	}
}

// counted counts what is decoded into it.
type counted int

// UnmarshalJSON implements json.Unmarshaler.
func (c *counted) UnmarshalJSON(b []byte) error {
	*c += counted(len(b))
	return nil
}

// TestALongNameIsNotDecodedForEachFieldBelowIt: anybody can send such a body, and the copies took 100 times the work of others.
func TestALongNameIsNotDecodedForEachFieldBelowIt(t *testing.T) {
	t.Parallel()
	long, fields := strings.Repeat("a", 20_000), make([]string, mostFields)
	for i := range fields {
		fields[i] = fmt.Sprintf(`"%x":1`, i)
	}
	for _, body := range []string{
		`{"` + long + `":{` + strings.Join(fields, ",") + `}}`,
		`{"a":{"` + long + `":{` + strings.Join(fields, ",") + `}}}`,
	} {
		var c counted
		if eachField([]byte(body), &c); int(c) > len(body) {
			t.Errorf("a body of %d bytes becomes %d bytes to decode", len(body), c)
		}
	}
}

func TestTheNearestNameIsSuggested(t *testing.T) {
	t.Parallel()
	names := []string{"blood_type", "date_of_birth", "phone_number", "record_type", "title", "visit_date"}
	for sent, want := range map[string]string{
		"titel": "title", "Title": "title", "TITLE": "title", "visitDate": "visit_date", "visit-date": "visit_date", "phone": "phone_number",
		"date": "date_of_birth", "recordtype": "record_type", "x": "", "": "", "notes": "", strings.Repeat("title", 20): "", "titleä": "title",
	} {
		if got := nearest(sent, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", sent, got, want)
		}
	}
}

// FuzzDecodeBody: an error says where the fault is, and nothing of the body.
func FuzzDecodeBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"a"}`, `{"name":1}`, `{"number":1e1,"inner":{"number":"x"}}`, `{"at":"x","inner":null}`, `{"a":1,"a":2}`, `[`, `{"name":"\ud800"}`,
		"{\"name\":\"\xff\"}", `1e999`, "\n\n{\"a\"", `{"a":{"b":{"c":{"d":1}}},"number":1.5}`,
	} {
		f.Add([]byte(seed))
	}
	told := regexp.MustCompile(`^the body (is not complete JSON: it ends at|has a field twice, the second time at|is not JSON in UTF-8: see|has a number that is too large, at) line \d+, column \d+(; send each field once)?$`)
	f.Fuzz(func(t *testing.T, body []byte) {
		var whole any
		if err := decode(body, &whole); err != nil && !told.MatchString(err.Error()) {
			t.Errorf("%q: %v", body, err)
		}
		var d decoded
		if err := decode(body, &d); err != nil && !strings.HasPrefix(err.Error(), undecodable) {
			t.Errorf("%q: %v", body, err)
		}
	})
}
