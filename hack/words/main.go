// Command words fails if a tracked file contains one of the words in words.txt. It prints the place, the line and what to write
// instead. Run it in the top directory of the repository; arguments select files and directories.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

//go:embed words.txt
var list string

func main() {
	found, err := run(os.Args[1:])
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

func run(paths []string) ([]finding, error) {
	rules, err := parse(list)
	if err != nil {
		return nil, fmt.Errorf("reading hack/words/words.txt: %w", err)
	}
	args := append([]string{"ls-files", "-z", "--"}, paths...)
	tracked, err := exec.CommandContext(context.Background(), "git", args...).Output() //nolint:gosec // no shell
	if err != nil {
		return nil, fmt.Errorf("listing the tracked files: %w", err)
	}
	var found []finding
	for path := range strings.SplitSeq(strings.TrimRight(string(tracked), "\x00"), "\x00") {
		content, err := os.ReadFile(path) //nolint:gosec // a tracked file
		if os.IsNotExist(err) || bytes.IndexByte(content, 0) >= 0 {
			continue // deleted, or binary
		}
		if err != nil {
			return nil, err
		}
		found = append(found, rules.check(path, string(content))...)
	}
	return found, nil
}
