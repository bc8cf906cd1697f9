package main

import (
	"bytes"
	"os/exec"
	"slices"
	"testing"
)

func TestQuoteSurvivesAShell(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"http://127.0.0.1:8000", "a b", "it's", `$HOME "x" \`, "postgres://u:p@h:1/d?sslmode=disable"} {
		script := "VALUE=" + quote(text) + "\n" + `printf %s "$VALUE"`
		got, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output()
		if err != nil || string(got) != text {
			t.Errorf("a shell reads %q as %q, %v", text, got, err)
		}
	}
}

func TestConsoleNamesEachWholeLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &console{out: &out}
	w := c.writer("server")
	for _, part := range []string{"first\nsec", "ond\r\n", "unfinished"} {
		if _, err := w.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := out.String(), "server     | first\nserver     | second\n"; got != want {
		t.Errorf("output = %q, want %q", got, want)
	}
}

func TestConsoleColorsNames(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &console{out: &out, color: true}
	c.line("worker", []byte("text"))
	if got, want := out.String(), "\x1b[35mworker     |\x1b[0m text\n"; got != want {
		t.Errorf("output = %q, want %q", got, want)
	}
}

// TestSettingsOfOnesOwnReachTheServer checks that settings from the environment override the defaults of make run.
func TestSettingsOfOnesOwnReachTheServer(t *testing.T) {
	t.Setenv("DOCTOR_SELF_ASSIGNMENT", "confirm")
	t.Setenv("DOCTOR_AUTO_VERIFY", "")
	t.Setenv("TOTP_KEY", "a key of one's own")
	got := unlessSet("DOCTOR_AUTO_VERIFY=true", "DOCTOR_SELF_ASSIGNMENT=open", "TOTP_KEY_FILE=.dev/totp-key")
	if want := []string{"DOCTOR_AUTO_VERIFY=true"}; !slices.Equal(got, want) {
		t.Errorf("the defaults are %v, want %v", got, want)
	}
}
