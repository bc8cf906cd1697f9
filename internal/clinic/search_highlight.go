package clinic

import "unicode"

// Highlight is a part of a text in which words of a query are. The text is as it was written, and not HTML.
type Highlight struct {
	Field     string // name in the API
	CommentID int64  // 0: a text of the record itself
	Text      string
	Ranges    []Range
}

// SearchFields lists the fields of highlights.
func SearchFields() []string {
	return []string{"title", "description", "symptoms", "diagnosis", "treatment", "medications", "doctor_comments"}
}

// Range is a part of a text, in Unicode code points: from Start up to, but without, End.
type Range struct{ Start, End int }

// The marks around the words of a text that a query names, and how much of a text a highlight shows.
const (
	markStart, markEnd = '<', '>'
	excerptBefore      = 60
	excerptLength      = 240
)

// HighlightOf returns the part of a text that begins a little before the first word that is marked. marked has as many
// characters as the text, beside the marks. Otherwise the marks are in other places: Postgres leaves out words of more than two
// thousand bytes, and somebody may have changed the text meanwhile. It reports whether a word is marked.
func HighlightOf(text, marked string) (h Highlight, found bool) {
	ranges, length := rangesOf(marked)
	runes := []rune(text)
	if len(ranges) == 0 || length != len(runes) {
		return Highlight{}, false
	}
	from := beginOfWord(runes, max(ranges[0].Start-excerptBefore, 0))
	to := max(endOfWord(runes, min(from+excerptLength, len(runes))), ranges[0].End)
	h.Text = string(runes[from:to])
	for _, r := range ranges {
		if r.End <= to {
			h.Ranges = append(h.Ranges, Range{r.Start - from, r.End - from})
		}
	}
	return h, true
}

// rangesOf returns the ranges between marks, and the number of the other characters.
func rangesOf(marked string) (ranges []Range, place int) {
	start := 0
	for _, r := range marked {
		switch r {
		case markStart:
			start = place
		case markEnd:
			ranges = append(ranges, Range{start, place})
		default:
			place++
		}
	}
	return ranges, place
}

// beginOfWord moves forward to the beginning of a word, if one is near.
func beginOfWord(runes []rune, at int) int {
	for i := at; i > 0 && i < min(at+excerptBefore/2, len(runes)); i++ {
		if unicode.IsSpace(runes[i-1]) && !unicode.IsSpace(runes[i]) {
			return i
		}
	}
	return at
}

// endOfWord moves back to the end of a word, if one is near.
func endOfWord(runes []rune, at int) int {
	for i := at; i < len(runes) && i > at-excerptBefore/2; i-- {
		if unicode.IsSpace(runes[i]) && !unicode.IsSpace(runes[i-1]) {
			return i
		}
	}
	return at
}
