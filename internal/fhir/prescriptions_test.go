package fhir

import (
	"testing"

	"github.com/go-json-experiment/json"
)

// No part of a dosage is dropped silently.
func TestDosageSaysHowOften(t *testing.T) {
	t.Parallel()
	const more = "; further instructions are in the source"
	for repeat, want := range map[string]string{
		`"frequency": 2, "period": 1, "periodUnit": "d"`:   "2 times every day",
		`"frequency": 1, "period": 6, "periodUnit": "h"`:   "once every 6 hours",
		`"period": 6, "periodUnit": "h"`:                   "once every 6 hours",
		`"period": 1.0, "periodUnit": "wk"`:                "once every 1.0 weeks",
		`"frequency": 3`:                                   "3 times" + more,
		`"frequency": 1`:                                   "once" + more,
		`"frequency": 3, "periodUnit": "d"`:                "3 times" + more,
		`"frequency": 3, "period": 2`:                      "3 times" + more,
		`"period": 6`:                                      more[2:],
		`"periodUnit": "d"`:                                more[2:],
		`"frequency": -1, "period": 1, "periodUnit": "d"`:  more[2:],
		`"frequency": 2, "frequencyMax": 3`:                "2 times" + more,
		`"frequency": 2, "period": 1, "periodUnit": "fae"`: "2 times every fae",
		`"count": 3`:                                       more[2:],
		``:                                                 "",
	} {
		var d dosage
		if err := json.Unmarshal([]byte(`{"timing": {"repeat": {`+repeat+`}}}`), &d); err != nil {
			t.Fatal(err)
		}
		if got := d.text(); got != want {
			t.Errorf("%s: %q, want %q", repeat, got, want)
		}
	}
}
