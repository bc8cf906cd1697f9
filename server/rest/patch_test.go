package rest

import (
	"encoding/json"
	"testing"
)

// FuzzMergePatch decodes any body of PATCH. A field changes if, and only if, it was
// sent.
func FuzzMergePatch(f *testing.F) {
	for _, seed := range []string{`{}`, `{"text":"a"}`, `{"text":null}`, `{"number":1}`, `{"number":1e99}`, `{"number":"1"}`, `{"flag":true,"flag":null}`, `[`, `{"text":"\ud800"}`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got struct {
			Text   patch[string] `json:"text"`
			Number patch[int]    `json:"number"`
			Flag   patch[bool]   `json:"flag"`
		}
		if json.Unmarshal(body, &got) != nil {
			return
		}
		if (got.Text.change() != nil) != got.Text.sent || (got.Number.change() != nil) != got.Number.sent || (got.Flag.change() != nil) != got.Flag.sent {
			t.Errorf("%q: what was sent is not what is changed", body)
		}
	})
}
