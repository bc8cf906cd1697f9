package web

import "strings"

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
		d := distance(sent, name)
		if len(sent) > 2 && (strings.HasPrefix(name, sent+"_") || strings.HasSuffix(name, "_"+sent)) {
			d = 1 // one word of it
		}
		if d <= 1+len(name)/4 && (found == "" || d < least) {
			found, least = name, d
		}
	}
	return found
}

// distance is Levenshtein's: how many bytes must be inserted, removed or replaced.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
