package kubectl

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	maxNear     = 3   // names that a message suggests
	longestName = 253 // of an object in Kubernetes; comparing longer names would only take time
)

// nearest returns the names that somebody probably meant, the nearest first.
func nearest(sent string, names []string) []string {
	if len(sent) > longestName {
		return nil
	}
	sent = strings.ToLower(sent)
	distances := map[string]int{}
	for _, name := range names {
		d := levenshtein.ComputeDistance(sent, strings.ToLower(name))
		if len(sent) > 2 && strings.HasPrefix(strings.ToLower(name), sent) {
			d = 1
		}
		if d <= 1+len(sent)/4 {
			distances[name] = d
		}
	}
	near := make([]string, 0, len(distances))
	for name := range distances {
		near = append(near, name)
	}
	slices.SortFunc(near, func(a, b string) int {
		return cmp.Or(cmp.Compare(distances[a], distances[b]), strings.Compare(a, b))
	})
	return near[:min(len(near), maxNear)]
}

func flagNames(cmd *cobra.Command) (names []string) {
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	return names
}
