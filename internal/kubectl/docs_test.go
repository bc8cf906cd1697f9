package kubectl

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestExamplesAreValid checks that the commands in the examples of the help and in docs/kubectl.md exist, with their flags
// and arguments.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	texts := map[string]string{"docs/kubectl.md": string(testkit.Value(os.ReadFile(filepath.Join(testkit.Root(t), "docs/kubectl.md")))(t))}
	for _, command := range New("healthrecords").Commands() {
		texts[command.Name()] = command.Example
	}
	called := regexp.MustCompile(`(?m)^(?:\$| ) (?:kubectl healthrecords )([^|>\n]*)`)
	found := 0
	for source, text := range texts {
		for _, match := range called.FindAllStringSubmatch(text, -1) {
			found++
			line := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(match[1], "quoted")
			command, args, err := New("healthrecords").Find(strings.Fields(line))
			if err != nil || !command.HasParent() {
				t.Errorf("%s: %q is no command: %v", source, line, err)
				continue
			}
			if err := command.ParseFlags(args); err != nil {
				t.Errorf("%s: %q: %v", source, line, err)
			} else if err := command.ValidateArgs(command.Flags().Args()); err != nil {
				t.Errorf("%s: %q: %v", source, line, err)
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d examples were found", found)
	}
}

// TestDocsSayHowToInstall compares the names in docs/kubectl.md with those under which the program is the plugin.
func TestDocsSayHowToInstall(t *testing.T) {
	t.Parallel()
	text := string(testkit.Value(os.ReadFile(filepath.Join(testkit.Root(t), "docs/kubectl.md")))(t))
	for _, name := range []string{pluginName, completionName} {
		if Invoked([]string{"/usr/local/bin/" + name}) == nil || !strings.Contains(text, "ln -s healthrecords /usr/local/bin/"+name+"\n") {
			t.Errorf("docs/kubectl.md does not link the program as %s", name)
		}
	}
	for _, command := range New("healthrecords").Commands() {
		if name := command.Name(); !strings.Contains(text, "| `"+name) && name != cobra.ShellCompRequestCmd {
			t.Errorf("docs/kubectl.md does not list %s", name)
		}
	}
	for _, variable := range []string{urlVariable, tokenVariable} {
		if !strings.Contains(text, variable) {
			t.Errorf("docs/kubectl.md does not explain %s", variable)
		}
	}
}
