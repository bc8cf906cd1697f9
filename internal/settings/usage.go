package settings

import (
	"fmt"
	"reflect"
	"strings"
	"text/tabwriter"
)

// variable is one environment variable of a subcommand, as declared by its field.
type variable struct {
	name         string // of the environment variable
	defaultValue string
	help         string
	field        string // the Go name, which env's errors carry
	kind         reflect.Type
}

// variablesOf lists the variables of a Settings in the order of its fields.
func variablesOf(target Settings) []variable {
	return fieldsOf(reflect.TypeOf(target).Elem())
}

func fieldsOf(structure reflect.Type) []variable {
	var result []variable
	for field := range structure.Fields() {
		name := field.Tag.Get("env")
		if name == "" {
			result = append(result, fieldsOf(field.Type)...)
			continue
		}
		result = append(result, variable{
			name: name, defaultValue: field.Tag.Get("envDefault"), help: field.Tag.Get("help"),
			field: field.Name, kind: field.Type,
		})
	}
	return result
}

// Usage returns the table of target's environment variables, for a subcommand's
// help.
func Usage(target Settings) string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, v := range variablesOf(target) {
		help := v.help
		if v.defaultValue != "" {
			help += " (default " + v.defaultValue + ")"
		}
		_, _ = fmt.Fprintf(table, "  %s\t%s\n", v.name, help)
	}
	_ = table.Flush() // a strings.Builder never fails
	return "Environment variables; each NAME can be read from a file, NAME_FILE:\n" + b.String()
}
