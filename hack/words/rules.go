package main

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// whoSentence is the name in words.txt of a check that a regular expression cannot express.
const whoSentence = "WHO-SENTENCE"

// rule is one line of words.txt.
type rule struct {
	pattern *regexp.Regexp
	instead string
}

type exception struct{ path, text string }

// rules is the content of words.txt.
type rules struct {
	everywhere, markdown []rule
	who                  string // what to write instead of a sentence that begins with Who
	exceptions           []exception
}

// finding is a forbidden word in a file.
type finding struct {
	path          string
	line          int
	word, instead string
	text          string // the whole line
}

// String returns the message about the finding.
func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s\n\t%q: write %s", f.path, f.line, strings.TrimSpace(f.text), f.word, f.instead)
}

func parse(list string) (rules, error) {
	var r rules
	section := ""
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = line
		default:
			if err := r.add(section, line); err != nil {
				return rules{}, fmt.Errorf("%q: %w", line, err)
			}
		}
	}
	return r, nil
}

func (r *rules) add(section, line string) error {
	if section == "[except]" {
		file, text, ok := strings.Cut(line, ":")
		if !ok {
			return errors.New("an exception is PATH: TEXT")
		}
		r.exceptions = append(r.exceptions, exception{file, strings.TrimSpace(text)})
		return nil
	}
	pattern, instead, ok := strings.Cut(line, " -> ")
	if !ok {
		return errors.New("a word is PATTERN -> INSTEAD")
	}
	if pattern == whoSentence {
		r.who = instead
		return nil
	}
	compiled, err := regexp.Compile(`(?i)\b(?:` + pattern + `)\b`)
	if err != nil {
		return err
	}
	switch section {
	case "[everywhere]":
		r.everywhere = append(r.everywhere, rule{compiled, instead})
	case "[markdown]":
		r.markdown = append(r.markdown, rule{compiled, instead})
	default:
		return fmt.Errorf("unknown section %q", section)
	}
	return nil
}

// excepted reports whether a line may contain any word.
func (r rules) excepted(file, line string) bool {
	for _, e := range r.exceptions {
		if e.covers(file) && strings.Contains(line, e.text) {
			return true
		}
	}
	return false
}

func (e exception) covers(file string) bool {
	if strings.HasSuffix(e.path, "/") {
		return strings.HasPrefix(file, e.path)
	}
	for _, name := range []string{file, path.Base(file)} {
		if ok, err := path.Match(e.path, name); ok && err == nil {
			return true
		}
	}
	return false
}
