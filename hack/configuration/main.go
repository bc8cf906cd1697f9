// Command configuration prints docs/configuration.md: the environment variables of the
// subcommands, as declared in internal/settings, each once.
package main

import (
	"fmt"
	"strings"

	"github.com/healthrecords/healthrecords/internal/settings"
)

const head = `# Configuration

` + "`make generate`" + ` generates this page from ` + "`internal/settings`" + `. It lists each environment variable once, below the subcommands that read it.
` + "`healthrecords SUBCOMMAND --help`" + ` prints all variables of one subcommand.

- Instead of ` + "`NAME`" + `, you can set ` + "`NAME_FILE`" + ` to the path of a file that contains the value.
- Every subcommand checks its complete configuration when it starts, and reports all faults together.
`

func main() {
	fmt.Print(head)
	for _, group := range settings.Groups() {
		fmt.Printf("\n## %s\n\n| variable | default | what |\n|---|---|---|\n", title(group.Commands))
		for _, v := range group.Variables {
			fmt.Printf("| `%s` | %s | %s |\n", v.Name, code(v.Default), strings.NewReplacer("|", `\|`, "*", `\*`).Replace(v.Help))
		}
	}
}

func title(commands []string) string {
	if len(commands) == len(settings.Commands()) {
		return "Read by all subcommands"
	}
	quoted := make([]string, len(commands))
	for i, command := range commands {
		quoted[i] = code(command)
	}
	return "Read by " + strings.Join(quoted, ", ")
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
