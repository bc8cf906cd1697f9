// Command chartreadme prints the README of the chart: the existing prose up to the heading of the values, and then a
// table generated from the comments in values.yaml that begin with "--".
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	chart   = "charts/healthrecords"
	heading = "## Values\n"
	intro   = "\n`make generate` creates these tables from the comments in [values.yaml](values.yaml). Empty maps and lists are `{}` and `[]`.\n"
)

func main() {
	text, err := readme()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chartreadme:", err)
		os.Exit(1)
	}
	fmt.Print(text)
}

func readme() (string, error) {
	prose, err := os.ReadFile(filepath.Join(chart, "README.md"))
	if err != nil {
		return "", fmt.Errorf("reading the prose: %w", err)
	}
	before, _, found := bytes.Cut(prose, []byte(heading))
	if !found {
		return "", fmt.Errorf("README.md has no heading %q", strings.TrimSpace(heading))
	}
	values, err := os.ReadFile(filepath.Join(chart, "values.yaml"))
	if err != nil {
		return "", fmt.Errorf("reading the values: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(values, &document); err != nil {
		return "", fmt.Errorf("parsing the values: %w", err)
	}
	var t table
	if err := t.add("", document.Content[0]); err != nil {
		return "", err
	}
	return string(before) + heading + intro + t.String(), nil
}

// table has a section for each top-level key that groups others.
type table struct {
	strings.Builder
	section string
}

// add writes a row for each key of the mapping that has a comment, and descends into keys that have none.
func (t *table) add(prefix string, mapping *yaml.Node) error {
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		description, documented := description(key.HeadComment)
		switch {
		case documented:
			if err := t.row(name, value, description); err != nil {
				return err
			}
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			if err := t.add(name+".", value); err != nil {
				return err
			}
		default:
			return fmt.Errorf("values.yaml: %s has no comment that begins with --", name)
		}
	}
	return nil
}

func (t *table) row(name string, value *yaml.Node, description string) error {
	section, _, grouped := strings.Cut(name, ".")
	if !grouped {
		section = "general"
	}
	if section != t.section {
		t.section = section
		fmt.Fprintf(t, "\n### %s\n\n| key | default | what |\n|---|---|---|\n", strings.ToUpper(section[:1])+section[1:])
	}
	var content any
	if err := value.Decode(&content); err != nil {
		return fmt.Errorf("reading the default of %s: %w", name, err)
	}
	text, err := json.Marshal(content)
	if err != nil {
		return errors.Join(fmt.Errorf("writing the default of %s", name), err)
	}
	fmt.Fprintf(t, "| `%s` | `%s` | %s |\n", name, text, strings.ReplaceAll(description, "|", `\|`))
	return nil
}

// description returns the comment's text after "--", joined into one line.
func description(comment string) (string, bool) {
	var words []string
	for line := range strings.SplitSeq(comment, "\n") {
		line = strings.TrimSpace(strings.TrimPrefix(line, "#"))
		if text, begins := strings.CutPrefix(line, "-- "); begins {
			words = []string{text}
		} else if words != nil {
			words = append(words, line)
		}
	}
	return strings.Join(words, " "), words != nil
}
