package web

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestAnswersAreEncodedAsByTheStandardLibrary compares with what huma encodes by default.
func TestAnswersAreEncodedAsByTheStandardLibrary(t *testing.T) {
	t.Parallel()
	type inner struct {
		Zero  int            `json:"zero,omitempty"`
		Empty string         `json:"empty,omitempty"`
		List  []string       `json:"list"`
		None  []int          `json:"none,omitempty"`
		Map   map[string]int `json:"map"`
		Time  time.Time      `json:"time"`
		Unset *time.Time     `json:"unset"`
		Later *time.Time     `json:"later,omitzero"`
	}
	at := time.Date(2025, 5, 27, 10, 30, 0, 120_000_000, time.FixedZone("", 2*60*60))
	for _, answer := range []any{
		inner{},
		&inner{List: []string{}, Map: map[string]int{"b": 2, "a": 1}, Time: at, Unset: &at, Later: &at},
		Page[inner]{Results: []inner{{Time: at.UTC()}}, Notice: &Notice{Code: "a", Detail: "<b> & 'c' \" \\ \n \u2028 日本 \x7f"}},
		&Problem{Type: "about:blank", Status: 422, Errors: []FieldProblem{{Field: "a", Message: "<1>"}}},
		map[string]any{"float": 1e21, "small": 1e-7, "whole": 3.0, "nil": nil, "bytes": []byte("ab")},
		strings.Repeat("long ", largestKept),
		nil,
	} {
		var want, got bytes.Buffer
		testkit.Must(t, huma.DefaultJSONFormat.Marshal(&want, answer))
		e := newEncoder()
		for range 2 { // the second time with a buffer that was used before
			got.Reset()
			testkit.Must(t, e.encode(&got, answer))
			if diff := cmp.Diff(want.String(), got.String()); diff != "" {
				t.Errorf("%T differs (-standard +ours):\n%s", answer, diff)
			}
		}
	}
}

// countingWriter counts the calls.
type countingWriter int

func (w *countingWriter) Write(b []byte) (int, error) {
	*w++
	return len(b), nil
}

func TestAnAnswerIsWrittenAtOnceOrNotAtAll(t *testing.T) {
	t.Parallel()
	e := newEncoder()
	var writes countingWriter
	testkit.Must(t, e.encode(&writes, make([]string, 1<<20)))
	if writes != 1 {
		t.Errorf("a large answer needed %d writes", writes)
	}
	if err := e.encode(&writes, []any{"encodable", func() {}}); err == nil || writes != 1 {
		t.Errorf("an answer that cannot be encoded: %v after %d writes", err, writes)
	}
}
