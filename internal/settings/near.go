package settings

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Near is an environment variable that no subcommand reads, and the setting whose name it nearly has.
type Near struct{ Variable, Setting string }

// Misspelled lists the variables of the process that look like misspelled settings. It looks only at names that cannot
// be anything else than a name, and never at values.
func Misspelled() []Near { return misspelled(os.Environ()) }

// settingName is what a misspelled setting can look like: several words, in capitals.
var settingName = regexp.MustCompile(`^[A-Z]+(_[A-Z0-9]+)+$`)

func misspelled(environ []string) []Near {
	var known []string
	for _, command := range Commands() {
		for _, v := range variablesOf(command.Settings) {
			known = append(known, v.name, v.name+"_FILE")
		}
	}
	var result []Near
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if len(name) > 64 || !settingName.MatchString(name) || slices.Contains(known, name) {
			continue
		}
		for _, setting := range known {
			// Typos rarely change the first letter, and SSL_CERT_FILE is not a misspelled TLS_CERT_FILE.
			typo := name[0] == setting[0] && levenshtein.ComputeDistance(name, setting) <= len(setting)/8
			shortened := strings.HasPrefix(setting, name) && 3*len(name) >= 2*len(setting)
			if typo || shortened {
				result = append(result, Near{Variable: name, Setting: setting})
				break
			}
		}
	}
	return result
}
