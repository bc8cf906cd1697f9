package clinic

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Language is the language of a record's texts, whose word forms the search knows.
type Language string

// The languages. LanguageSimple has no word forms.
const (
	LanguageEnglish Language = "en"
	LanguageGerman  Language = "de"
	LanguageFrench  Language = "fr"
	LanguageSpanish Language = "es"
	LanguageRussian Language = "ru"
	LanguageSimple  Language = "simple"
)

// Languages lists every language.
func Languages() []Language {
	return []Language{LanguageEnglish, LanguageGerman, LanguageFrench, LanguageSpanish, LanguageRussian, LanguageSimple}
}

// Known reports whether the language is one of Languages.
func (l Language) Known() bool { return slices.Contains(Languages(), l) }

// Limits of a search.
const (
	MaxQuery = 200 // characters
	MaxTerms = 16
)

// Search is what a caller looks for. Validate sets Terms.
type Search struct {
	Query  string
	Filter RecordFilter // without Order and Deleted: the best match comes first, and no deleted record is found
	Terms  []SearchTerm
}

// SearchTerm is a part of a query. A record must have all terms, and none that is excluded.
type SearchTerm struct {
	Text     string // a word, or several that follow each other
	Prefix   bool   // the beginning of a word
	Excluded bool
}

// SearchHit is a record that matches.
type SearchHit struct {
	Record
	Rank       float32
	Highlights []Highlight
}

// SearchResult is one page of the records that match, best first.
type SearchResult struct {
	Page[SearchHit]
	Complete    bool // all of the caller's records were searched
	Suggestions []Suggestion
}

// Suggestion has words like one of the query that matches nothing.
type Suggestion struct {
	Word    string // of the query
	Similar []string
}

// Validate reads the query and checks it. Faults do not repeat the query.
func (s *Search) Validate() error {
	var f faults
	query := norm.NFC.String(s.Query)
	f.add(!utf8.ValidString(query) || strings.ContainsFunc(query, func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }),
		"query", "use no control characters")
	f.add(utf8.RuneCountInString(query) > MaxQuery, "query", "use at most "+strconv.Itoa(MaxQuery)+" characters")
	if len(f) > 0 {
		return f.err()
	}
	s.Terms = parseQuery(query)
	f.add(len(s.Terms) > MaxTerms, "query", "use at most "+strconv.Itoa(MaxTerms)+" words and phrases")
	f.add(!slices.ContainsFunc(s.Terms, func(t SearchTerm) bool { return !t.Excluded }), "query",
		"enter at least one word to look for; a word with - before it only leaves records out")
	f.add(s.Filter.Type != "" && !slices.Contains(RecordTypes(), s.Filter.Type), "filters.record_type", "use one of "+listed(RecordTypes()))
	return f.err()
}

// parseQuery reads words, "phrases", -exclusions and beginnings*. Anything can be read: a quotation mark that is not closed
// ends with the query, and what has no letter or digit is left out.
func parseQuery(query string) (terms []SearchTerm) {
	for rest := strings.TrimSpace(query); rest != ""; rest = strings.TrimSpace(rest) {
		var term SearchTerm
		if after, minus := strings.CutPrefix(rest, "-"); minus && after != "" && !startsWithSpace(after) {
			term.Excluded, rest = true, after
		}
		if after, phrase := strings.CutPrefix(rest, `"`); phrase {
			term.Text, rest, _ = strings.Cut(after, `"`)
		} else {
			end := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || r == '"' })
			if end < 0 {
				end = len(rest)
			}
			term.Text, rest = rest[:end], rest[end:]
			term.Text, term.Prefix = strings.CutSuffix(term.Text, "*")
		}
		if strings.ContainsFunc(term.Text, isWordRune) {
			terms = append(terms, term)
		}
	}
	return terms
}

func startsWithSpace(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	return unicode.IsSpace(first)
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// maxSuggested is for how many words of a query suggestions are looked for.
const maxSuggested = 4

// Words returns the words of the query for which suggestions are looked for.
func (s *Search) Words() (words []string) {
	for _, term := range s.Terms {
		if !term.Excluded && !term.Prefix && len(words) < maxSuggested && !strings.ContainsFunc(term.Text, unicode.IsSpace) {
			words = append(words, term.Text)
		}
	}
	return words
}

// SearchState is the state of the search index.
type SearchState struct {
	Pending    int           // changes that are not indexed yet
	Oldest     time.Duration // age of the oldest of them
	Next, Last int64         // ids of the run over all records: where it goes on, and where it ends
	Indexed    int64         // records that the run has indexed
	Finished   bool          // the run has ended
	Filled     bool          // the first run has ended: every record is in the index
}

// Progress is which part of the ids the run over all records has passed, from 0 to 1.
func (s SearchState) Progress() float64 {
	if s.Finished || s.Last == 0 {
		return 1
	}
	return min(float64(s.Next)/float64(s.Last), 1)
}
