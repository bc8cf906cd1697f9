package settings

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Settings is the configuration of one subcommand.
type Settings interface {
	// prepare sets the defaults that differ from subcommand to subcommand.
	prepare()
	// validate adds the faults of the values to faults.
	validate(faults *ValidationErrors)
}

// Fault describes an error in one setting.
type Fault struct {
	Name    string // the environment variable
	Message string // the problem and its solution; never quotes a secret
}

// ValidationErrors is the error that Load returns: all faults, in the order of the
// settings.
type ValidationErrors []Fault

// Error lists every fault on a line of its own.
func (f ValidationErrors) Error() string {
	var b strings.Builder
	b.WriteString("the configuration is not complete or not valid:")
	for _, fault := range f {
		fmt.Fprintf(&b, "\n  %s: %s", fault.Name, fault.Message)
	}
	return b.String()
}

func (f *ValidationErrors) add(name, message string) {
	*f = append(*f, Fault{Name: name, Message: message})
}

// require adds a fault unless ok.
func (f *ValidationErrors) require(ok bool, name, message string) {
	if !ok {
		f.add(name, message)
	}
}

// Load reads target from the environment of the process. Its error is a ValidationErrors
// with all faults.
func Load(target Settings) error { return load(env.ToMap(os.Environ()), target) }

func load(environ map[string]string, target Settings) error {
	var faults ValidationErrors
	variables := variablesOf(target)
	environ = readFiles(environ, variables, &faults)
	target.prepare()
	if err := env.ParseWithOptions(target, env.Options{Environment: environ}); err != nil {
		var all env.AggregateError
		if !errors.As(err, &all) {
			return fmt.Errorf("reading the environment: %w", err)
		}
		for _, err := range all.Errors {
			faults = append(faults, explain(err, variables))
		}
	}
	target.validate(&faults)
	if len(faults) == 0 {
		return nil
	}
	return faults.sorted(variables)
}

// sorted keeps the first fault of each setting, in the order of the settings:
// a setting that could not be read needs no second fault about its value.
func (f ValidationErrors) sorted(variables []variable) ValidationErrors {
	var result ValidationErrors
	for _, v := range variables {
		if i := slices.IndexFunc(f, func(fault Fault) bool { return fault.Name == v.name }); i >= 0 {
			result = append(result, f[i])
		}
	}
	return result
}

// readFiles returns environ with each NAME_FILE's content as NAME.
func readFiles(environ map[string]string, variables []variable, faults *ValidationErrors) map[string]string {
	environ = maps.Clone(environ)
	for _, v := range variables {
		path := environ[v.name+"_FILE"]
		if path == "" || strings.HasSuffix(v.name, "_FILE") { // this variable is itself a path
			continue
		}
		if environ[v.name] != "" {
			faults.add(v.name, "is set as "+v.name+" and as "+v.name+"_FILE; set one of them")
			continue
		}
		content, err := os.ReadFile(path) //nolint:gosec // the operator names the file
		if err != nil {
			faults.add(v.name, fmt.Sprintf("%s_FILE cannot be read: %v", v.name, err))
			continue
		}
		environ[v.name] = strings.TrimRight(string(content), "\r\n")
	}
	return environ
}

// explain says in the operator's terms which value has the wrong type. It does not
// quote the value: env parses no secret, but somebody may have set a secret in the
// wrong variable.
func explain(err error, variables []variable) Fault {
	var parse env.ParseError
	if errors.As(err, &parse) {
		for _, v := range variables {
			if v.field == parse.Name && v.kind == parse.Type {
				return Fault{Name: v.name, Message: "is not " + expected(parse.Type)}
			}
		}
	}
	return Fault{Name: "environment", Message: err.Error()}
}

func expected(kind reflect.Type) string {
	switch {
	case kind.PkgPath() == "time":
		return "a duration; write for example 500ms, 30s or 10m"
	case kind.PkgPath() == "log/slog":
		return "a log level; use debug, info, warn or error"
	case kind.Kind() == reflect.Bool:
		return "true or false"
	}
	return "a whole number"
}
