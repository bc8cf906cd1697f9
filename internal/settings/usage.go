package settings

import (
	"fmt"
	"reflect"
	"slices"
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

// Command is a subcommand and its configuration.
type Command struct {
	Name     string
	Settings Settings
}

// Commands lists the subcommands that have settings.
func Commands() []Command {
	return []Command{
		{"server", &Server{}},
		{"worker", &Worker{}},
		{"controller", &Controller{}},
		{"migrate", &Migrate{}},
		{"admin", &Tool{}},
		{"import", &Import{}},
		{"audit", &Audit{}},
		{"counts", &Tool{}},
	}
}

// Group is the variables that the same subcommands read.
type Group struct {
	Commands  []string
	Variables []Variable
}

// Variable describes an environment variable for documentation.
type Variable struct{ Name, Default, Help string }

// Groups lists every variable of the subcommands once, by who reads it, in the order of the first reader's
// settings.
func Groups() []Group {
	readers, known := map[string][]string{}, []variable{}
	for _, command := range Commands() {
		for _, v := range variablesOf(command.Settings) {
			if readers[v.name] == nil {
				known = append(known, v)
			}
			readers[v.name] = append(readers[v.name], command.Name)
		}
	}
	var groups []Group
	for _, v := range known {
		i := slices.IndexFunc(groups, func(g Group) bool { return slices.Equal(g.Commands, readers[v.name]) })
		if i < 0 {
			i = len(groups)
			groups = append(groups, Group{Commands: readers[v.name]})
		}
		groups[i].Variables = append(groups[i].Variables, Variable{Name: v.name, Default: v.defaultValue, Help: v.help})
	}
	return groups
}
