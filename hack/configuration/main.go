// Command configuration prints docs/configuration.md: the environment variables of each
// subcommand, as declared in internal/settings.
package main

import (
	"fmt"

	"github.com/healthrecords/healthrecords/internal/settings"
)

const head = `# Configuration

` + "`make generate`" + ` generates this page from ` + "`internal/settings`" + `. Every subcommand checks its complete configuration when it starts,
and reports all faults together. ` + "`healthrecords SUBCOMMAND --help`" + ` prints the same tables.
`

func main() {
	fmt.Print(head)
	for _, part := range []struct {
		title  string
		target settings.Settings
	}{
		{"healthrecords server", &settings.Server{}},
		{"healthrecords worker", &settings.Worker{}},
		{"healthrecords controller", &settings.Controller{}},
		{"healthrecords migrate", &settings.Migrate{}},
		{"healthrecords admin", &settings.Tool{}},
		{"healthrecords import", &settings.Import{}},
		{"healthrecords audit", &settings.Audit{}},
	} {
		fmt.Printf("\n## `%s`\n\n```text\n%s```\n", part.title, settings.Usage(part.target))
	}
}
