package clinic

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Readers of a text must see what was written: two texts that look
// alike are equal (Unicode's normal form C, without invisible characters), and no text
// rearranges or breaks up the line around it.

var licensePattern = regexp.MustCompile(`^[-./ ]*[A-Z0-9][-./ A-Z0-9]*$`)

// blanks are symbols and letters that are drawn as nothing.
const blanks = "\u2800\ufffc\U0001d159\U00013441\U00013442"

// line normalizes and checks a text that other people's lists show: it
// must be one line, and visible unless it is empty. A nil value was not sent.
func (f *faults) line(field string, value *string, least, most int) {
	if value == nil {
		return
	}
	f.add(!utf8.ValidString(*value) || strings.ContainsFunc(*value, breaksLine), field,
		"use one line, without control characters or marks that change the writing direction")
	f.add(least == 0 && strings.TrimSpace(*value) != "" && !visible(*value), field, "use characters that can be seen, or leave the text empty")
	*value = normalLine(*value)
	f.sized(field, *value, least, most)
}

// text normalizes and checks a text of several lines, which has a place of its own.
// Marks and isolates of the writing direction are part of some languages' texts,
// and end with their paragraph (Unicode Standard Annex #9); overrides would make the
// text read differently from what is stored.
func (f *faults) text(field string, value *string, least, most int) {
	if value == nil {
		return
	}
	*value = norm.NFC.String(*value)
	f.add(!utf8.ValidString(*value) || strings.ContainsFunc(*value, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' || '\u202a' <= r && r <= '\u202e'
	}), field, "use no control characters but tabs and line breaks, and no marks that override the writing direction")
	f.sized(field, *value, least, most)
}

func (f *faults) sized(field, value string, least, most int) {
	if least > 0 && !visible(value) {
		text := "must not be empty"
		if most != math.MaxInt {
			text += ": use " + strconv.Itoa(least) + " to " + strconv.Itoa(most) + " characters that can be seen"
		}
		f.add(true, field, text)
		return
	}
	f.add(utf8.RuneCountInString(value) > most, field, "use at most "+strconv.Itoa(most)+" characters")
}

// license normalizes and checks a license number. A character that looks like a Latin letter
// or a digit is replaced by it where Unicode defines that (form KC), and refused
// otherwise. Small letters become capital ones: l looks like 1.
func (f *faults) license(value *string, least int) {
	if value == nil {
		return
	}
	*value = strings.TrimSpace(normalLicense(*value))
	f.add(*value != "" && !licensePattern.MatchString(*value), "license_number", "use the letters A to Z, digits, spaces and - . / only, such as DOC000001")
	f.line("license_number", value, least, maxLicense)
}

func normalLine(text string) string { return strings.TrimSpace(norm.NFC.String(drawn(text))) }

// drawn removes characters that are not drawn. Joiners and variation selectors stay after
// characters of scripts in which they are drawn, one of each.
func drawn(text string) string {
	var base, last rune
	return strings.Map(func(r rune) rune {
		joiner, selector := isJoiner(r), unicode.Is(unicode.Variation_Selector, r)
		switch {
		case joiner && (isJoiner(last) || !unicode.In(base, joined()...)),
			selector && (isJoiner(last) || unicode.Is(unicode.Variation_Selector, last) || !unicode.In(base, varied()...)),
			!joiner && !selector && undrawn(r):
			return -1
		}
		if !unicode.Is(unicode.Inherited, r) { // a mark of any script belongs to the character before it
			base = r
		}
		last = r
		return r
	}, text)
}

func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// undrawn reports whether the character is one of Unicode's default ignorable ones
// (Unicode Standard, section 5.21) that a line may contain.
func undrawn(r rune) bool {
	return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Cf, r) &&
		!unicode.In(r, unicode.Bidi_Control, unicode.Prepended_Concatenation_Mark, unicode.Egyptian_Hieroglyphs) &&
		(r < '\ufff9' || r > '\ufffb') // annotations
}

// skinTones are no symbols of their own, as other parts of emoji are.
func skinTones() *unicode.RangeTable {
	return &unicode.RangeTable{R32: []unicode.Range32{{Lo: 0x1f3fb, Hi: 0x1f3ff, Stride: 1}}}
}

// joined are symbols, such as emoji, and scripts in which a joiner is visible.
func joined() []*unicode.RangeTable {
	return []*unicode.RangeTable{
		unicode.So, skinTones(), unicode.Adlam, unicode.Arabic, unicode.Bengali, unicode.Devanagari, unicode.Gujarati, unicode.Gurmukhi, unicode.Kannada,
		unicode.Khmer, unicode.Malayalam, unicode.Mongolian, unicode.Myanmar, unicode.Nko, unicode.Oriya, unicode.Sinhala, unicode.Syriac,
		unicode.Tamil, unicode.Telugu,
	}
}

// varied are symbols and scripts in which a variation selector is visible.
func varied() []*unicode.RangeTable {
	return []*unicode.RangeTable{unicode.So, skinTones(), unicode.Han, unicode.Mongolian, unicode.Myanmar, unicode.Phags_Pa}
}

func normalLicense(number string) string { return strings.ToUpper(norm.NFKC.String(number)) }

// breaksLine reports whether a line must not contain the character.
func breaksLine(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// visible reports whether the text has anything to see: a letter, a digit, a
// punctuation mark or a symbol.
func visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) &&
			!unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) && !strings.ContainsRune(blanks, r)
	})
}

// OneLine makes a line of another system's text: runs of white space become one
// space, characters that a line must not contain are left out, and an invisible text becomes "".
func OneLine(text string) string {
	if !visible(text) {
		return ""
	}
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if breaksLine(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)), " ")
}

// CheckLine returns the faults of a stored line, in fixed texts: the rules
// that a new one would break, and that its form differs from that of a new one.
func CheckLine(text string, least int) (rules []string) {
	var f faults
	f.add(!norm.NFC.IsNormalString(text), "", "use Unicode's normal form C")
	f.add(visible(text) && drawn(text) != text, "", "leave out characters that are not drawn")
	f.line("", &text, least, math.MaxInt)
	return f.messages()
}

// CheckLicense is CheckLine for a license number.
func CheckLicense(number string) (rules []string) {
	var f faults
	f.add(!norm.NFKC.IsNormalString(number), "", "use Unicode's normal form KC")
	f.license(&number, 1)
	return f.messages()
}

func (f *faults) messages() (all []string) {
	for _, fault := range *f {
		all = append(all, fault.Message)
	}
	return all
}
