package main

import (
	"go/scanner"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

var (
	generated = regexp.MustCompile(`(?m)^(?://|#|--) Code generated .* DO NOT EDIT\.$`)
	who       = regexp.MustCompile(`(?:^[\s>*|-]*|[.:!?] |\| )(Who [^|\s])`)
	ends      = regexp.MustCompile(`[.!?](?:[\s*_)"]|$)|\|`)
)

// check returns what a file has that it may not have, by line.
func (r rules) check(path, content string) []finding {
	if generated.MatchString(content) {
		return nil
	}
	var found []finding
	lines := strings.Split(content, "\n")
	report := func(line int, word, instead string) {
		if text := lines[line-1]; !r.excepted(path, text) {
			found = append(found, finding{path, line, word, instead, text})
		}
	}
	apply := func(rules []rule, line int, text string) {
		for _, rule := range rules {
			for _, word := range rule.pattern.FindAllString(text, -1) {
				report(line, word, rule.instead)
			}
		}
	}
	eachText(path, content, func(line int, text string) { apply(r.everywhere, line, text) })
	if strings.HasSuffix(path, ".md") {
		for i, text := range lines {
			apply(r.markdown, i+1, text)
			if r.who != "" && statesWho(lines[i:]) {
				report(i+1, "Who", r.who)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int { return a.line - b.line })
	return found
}

// eachText calls use with each line that people read: in Go those of comments and string literals, elsewhere all.
func eachText(path, content string, use func(line int, text string)) {
	if !strings.HasSuffix(path, ".go") {
		for i, text := range strings.Split(content, "\n") {
			use(i+1, text)
		}
		return
	}
	files := token.NewFileSet()
	file := files.AddFile(path, files.Base(), len(content))
	var s scanner.Scanner
	s.Init(file, []byte(content), nil, scanner.ScanComments)
	for {
		position, kind, literal := s.Scan()
		switch kind {
		case token.EOF:
			return
		case token.COMMENT, token.STRING:
			for i, text := range strings.Split(literal, "\n") {
				use(file.Line(position)+i, text)
			}
		default:
		}
	}
}

// statesWho tells whether a sentence that begins with Who in the first line, outside of a heading, ends without a question mark.
func statesWho(lines []string) bool {
	if strings.HasPrefix(lines[0], "#") {
		return false
	}
	for _, match := range who.FindAllStringSubmatchIndex(lines[0], -1) {
		rest := lines[0][match[2]:]
		for _, next := range lines[1:] {
			if strings.TrimSpace(next) == "" {
				break
			}
			rest += " " + strings.TrimSpace(next)
		}
		if end := ends.FindStringIndex(rest); end == nil || rest[end[0]] != '?' {
			return true
		}
	}
	return false
}
