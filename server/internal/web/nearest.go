package web

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// longestName is longer than any name of the API: a longer one is like none of them.
const longestName = 50

// nearest returns the name that somebody probably meant, or "". Of equally near ones, the first counts.
func nearest(sent string, names []string) string {
	if len(sent) > longestName {
		return ""
	}
	sent = strings.ReplaceAll(strings.ToLower(sent), "-", "_")
	found, least := "", 0
	for _, name := range names {
		d := levenshtein.ComputeDistance(sent, name)
		if len(sent) > 2 && (strings.HasPrefix(name, sent+"_") || strings.HasSuffix(name, "_"+sent)) {
			d = 1 // one word of it
		}
		if d <= 1+len(name)/4 && (found == "" || d < least) {
			found, least = name, d
		}
	}
	return found
}
