package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// readPassword reads one line: from the file, twice from a terminal without echo,
// or from standard input.
func readPassword(stdin io.Reader, prompt io.Writer, file string) (string, error) {
	if file != "" {
		b, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	if f, ok := stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return promptPassword(int(f.Fd()), prompt)
	}
	line, err := bufio.NewReader(io.LimitReader(stdin, 4*clinic.MaxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func promptPassword(fd int, prompt io.Writer) (string, error) {
	var answers [2]string
	for i, text := range []string{"Password: ", "Password again: "} {
		_, _ = fmt.Fprint(prompt, text)
		b, err := term.ReadPassword(fd)
		_, _ = fmt.Fprintln(prompt)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		answers[i] = string(b)
	}
	if answers[0] != answers[1] {
		return "", errors.New("the two passwords differ; type the same password twice")
	}
	return answers[0], nil
}
