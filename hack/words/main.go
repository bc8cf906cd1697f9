// Command words fails if a file of the repository contains one of the words in words.txt. It prints the place, the line and
// what to write instead. Run it in the top directory of the repository.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

//go:embed words.txt
var list string

func main() {
	found, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(2)
	}
	for _, f := range found {
		fmt.Println(f)
	}
	if len(found) > 0 {
		fmt.Fprintf(os.Stderr, "words: reword %d places; hack/words/words.txt lists the words, and the exceptions\n", len(found))
		os.Exit(1)
	}
}

func run() ([]finding, error) {
	rules, err := parse(list)
	if err != nil {
		return nil, fmt.Errorf("reading hack/words/words.txt: %w", err)
	}
	files, err := testkit.Files(".")
	if err != nil {
		return nil, err
	}
	var found []finding
	for _, path := range files {
		content, err := os.ReadFile(path) //nolint:gosec // a file of the repository
		if err != nil {
			return nil, err
		}
		if bytes.IndexByte(content, 0) >= 0 {
			continue // binary
		}
		found = append(found, rules.check(path, string(content))...)
	}
	return found, nil
}
