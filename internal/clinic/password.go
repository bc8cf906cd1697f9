package clinic

import (
	_ "embed" // the list of common passwords
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed common_passwords.txt
var commonPasswords string

// ValidatePassword checks the new password of the user, the field of that name in the error.
// It allows all characters, and requires none (OWASP ASVS 5.0, 6.2).
func ValidatePassword(field, password, username, email string) error {
	var f faults
	f.password(field, password, username, email)
	return f.err()
}

func (f *faults) password(field, password, username, email string) {
	n := utf8.RuneCountInString(password)
	f.add(n < MinPassword || n > MaxPassword, field,
		"use "+strconv.Itoa(MinPassword)+" to "+strconv.Itoa(MaxPassword)+" characters")
	f.add(isCommonPassword(password), field, "this password is too common; choose another one, such as several words that nobody would guess")
	f.add(resembles(password, username) || resembles(password, email), field, "the password is too similar to the username or the email address; choose another one, such as several words that nobody would guess")
}

// isCommonPassword searches the list as it is: that takes 20 µs, and a hash 20 ms.
func isCommonPassword(password string) bool {
	return strings.Contains(commonPasswords, "\n"+strings.ToLower(password)+"\n")
}

// resembles reports whether a name, or the part of an address before its @,
// makes up half of the password or more, whatever its case, forwards or
// backwards, with other digits at its end or other characters in between.
func resembles(password, name string) bool {
	inside := plain(password)
	local, _, _ := strings.Cut(name, "@")
	for _, candidate := range []string{plain(name), plain(local)} {
		core := strings.TrimRightFunc(candidate, unicode.IsDigit)
		if core == "" {
			core = candidate // digits only
		}
		backwards := []rune(core)
		slices.Reverse(backwards)
		found := strings.Contains(inside, core) || strings.Contains(inside, string(backwards))
		if core != "" && found && 2*len(core) >= len(inside) {
			return true
		}
	}
	return false
}

// plain keeps letters and digits, in lower case.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, text)
}
