package kubectl

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// checkOutput refuses another --output than none or one of the formats.
func checkOutput(cmd *cobra.Command, output string, formats ...string) error {
	if output == "" || slices.Contains(formats, output) {
		return nil
	}
	return usage(cmd, "unable to match a printer suitable for the output format %q, allowed formats are: %s", output, strings.Join(formats, ","))
}

// encode writes a value as JSON or YAML, as kubectl does.
func encode(out io.Writer, format string, value any) error {
	content, err := json.MarshalIndent(value, "", "    ")
	if err == nil && format == "yaml" {
		content, err = yaml.JSONToYAML(content)
	}
	if err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	return write(out, "%s\n", strings.TrimSuffix(string(content), "\n"))
}

// table writes rows in columns, as kubectl does.
func table(out io.Writer, header []string, rows [][]string) error {
	w := tabwriter.NewWriter(out, 6, 4, 3, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, 0, len(row))
		for _, cell := range row {
			if cell == "" {
				cell = "<none>"
			}
			cells = append(cells, line(cell))
		}
		if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
			return fmt.Errorf("writing the output: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// plural is a number with the word for one or for several.
func plural[N int | int32](n N, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

// write writes a text to the output of a command.
func write(out io.Writer, format string, args ...any) error {
	if _, err := fmt.Fprintf(out, format, args...); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}
