package clinic_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

func TestQueriesAreRead(t *testing.T) {
	t.Parallel()
	word := func(text string) clinic.SearchTerm { return clinic.SearchTerm{Text: text} }
	for query, want := range map[string][]clinic.SearchTerm{
		"fever":                    {word("fever")},
		"  high\tfever\n":          {word("high"), word("fever")},
		`"heart failure" chronic`:  {word("heart failure"), word("chronic")},
		`fever -"heart failure"`:   {word("fever"), {Text: "heart failure", Excluded: true}},
		"diab* -type":              {{Text: "diab", Prefix: true}, {Text: "type", Excluded: true}},
		"fever -diab*":             {word("fever"), {Text: "diab", Prefix: true, Excluded: true}},
		"covid-19":                 {word("covid-19")},
		"fever - cough":            {word("fever"), word("cough")},
		`"heart failure`:           {word("heart failure")},
		`fever"heart failure"x`:    {word("fever"), word("heart failure"), word("x")},
		`fever "" !!! & | () * -*`: {word("fever")},
		"cafe\u0301":               {word("café")}, // normal form C
	} {
		search := clinic.Search{Query: query}
		if err := search.Validate(); err != nil {
			t.Errorf("%q: %v", query, err)
		}
		if diff := cmp.Diff(want, search.Terms); diff != "" {
			t.Errorf("%q is read as (- wanted, + got):\n%s", query, diff)
		}
	}
}

func TestQueriesThatFindNothingAreRefused(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"", " ", "-fever", `-"heart failure" -cough`, "!!!", `""`, "*", "fever\x00", "fever\x1b", "\xff",
		strings.Repeat("ä", clinic.MaxQuery+1), strings.Repeat("a ", clinic.MaxTerms+1),
	} {
		search := clinic.Search{Query: query}
		err := search.Validate()
		if clinic.CodeOf(err) != clinic.CodeInvalid || !strings.Contains(err.Error(), "query: ") {
			t.Errorf("%q: %v", query, err)
		}
	}
	longest := clinic.Search{Query: strings.Repeat("ä", clinic.MaxQuery)}
	if err := longest.Validate(); err != nil {
		t.Error(err)
	}
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"fever", `"heart failure" -diab*`, `-"`, "''\\:*&|!()<->", "\u0301", "İSTANBUL ẞ ŉ ½"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		search := clinic.Search{Query: query}
		if err := search.Validate(); err != nil {
			if secret := "zebra"; strings.Contains(query, secret) && strings.Contains(err.Error(), secret) {
				t.Errorf("the fault repeats the query: %v", err)
			}
			return
		}
		if len(search.Terms) == 0 || len(search.Terms) > clinic.MaxTerms {
			t.Errorf("%q has %d terms", query, len(search.Terms))
		}
		for _, term := range search.Terms {
			if !utf8.ValidString(term.Text) || strings.ContainsAny(term.Text, "\x00\"") {
				t.Errorf("%q has the term %q", query, term.Text)
			}
		}
	})
}

func TestHighlightsAreCountedInCharacters(t *testing.T) {
	t.Parallel()
	h, found := clinic.HighlightOf("Größe: 😀 Fièvre <b>", "größe    <fièvre>  b ")
	want := clinic.Highlight{Text: "Größe: 😀 Fièvre <b>", Ranges: []clinic.Range{{Start: 9, End: 15}}}
	if diff := cmp.Diff(want, h); !found || diff != "" {
		t.Error(diff)
	}
	if _, found := clinic.HighlightOf("nothing", "nothing"); found {
		t.Error("a text without marks is highlighted")
	}
	for _, other := range []string{"another <longer> text", "<shor>"} {
		if _, found := clinic.HighlightOf("short", other); found {
			t.Errorf("marks of another text, %q, are used", other)
		}
	}
}

// FuzzHighlight: whatever the text is, each range has the characters between the marks.
func FuzzHighlight(f *testing.F) {
	f.Add(strings.Repeat("word ", 30), "fever", strings.Repeat(" more", 80))
	f.Add("é", "😀", "")
	f.Fuzz(func(t *testing.T, before, word, after string) {
		before, word, after = strings.ToValidUTF8(before, ""), strings.ToValidUTF8(word, ""), strings.ToValidUTF8(after, "")
		hidden := func(text string) string { return strings.Repeat(" ", utf8.RuneCountInString(text)) }
		h, found := clinic.HighlightOf(before+word+after, hidden(before)+"<"+hidden(word)+">"+hidden(after))
		if !found || len(h.Ranges) != 1 {
			t.Fatalf("%v, %t", h, found)
		}
		if got := string([]rune(h.Text)[h.Ranges[0].Start:h.Ranges[0].End]); got != word {
			t.Errorf("%q is highlighted instead of %q", got, word)
		}
	})
}
