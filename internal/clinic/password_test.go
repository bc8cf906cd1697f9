package clinic_test

import (
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

func TestPasswordsOfAnyKindAreTaken(t *testing.T) {
	t.Parallel()
	for _, password := range []string{
		"securepass123", "correct horse", "        ", "ßßßßßßßß", "🐎🐎🐎🐎🐎🐎🐎🐎", "\x00\x01\x02\x03\x04\x05\x06\x07", "zkwqjvxp",
		strings.Repeat("é", 128), "jane plays the violin on sundays",
	} {
		if err := clinic.ValidatePassword("password", password, "jane", "jane@example.org"); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	for _, password := range []string{
		"", "short 7", "ééééééé", strings.Repeat("x", 129), // length, in characters
		"password", "Password", "12345678", "qwertyuiop", "iloveyou", "TRUSTNO1", // common
		"jane.doe1980", "Jane.Doe", "janedoe!!", "JANEDOE2024", "eodenaj1", "j-a-n-e-d-o-e", // like the name
		"j.doe-md@example.org", "jdoemd77", // like the address
	} {
		err := clinic.ValidatePassword("new_password", password, "jane.doe1980", "j.doe-md@example.org")
		if clinic.CodeOf(err) != clinic.CodeInvalid {
			t.Errorf("%q was not refused: %v", password, err)
		} else if strings.Contains(err.Error(), password) && len(password) > 8 {
			t.Errorf("%v quotes the password", err)
		}
	}
	for password, username := range map[string]string{"98765432": "98765432", "555-1234-555": "5551234555"} {
		if clinic.ValidatePassword("password", password, username, "") == nil {
			t.Errorf("%q of %q was accepted", password, username)
		}
	}
}
