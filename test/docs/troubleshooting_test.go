package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestTroubleshootingIsAboutThisPlatform checks that each alert has a place in docs/troubleshooting.md, and that each text
// that the page quotes from a program or an alert exists.
func TestTroubleshootingIsAboutThisPlatform(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/troubleshooting.md")
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(read(t, "charts/healthrecords/files/alerts.yaml"), -1)
	if len(alerts) < 10 {
		t.Fatalf("only %d alerts were found", len(alerts))
	}
	known := map[string]bool{}
	for _, alert := range alerts {
		known[alert[1]] = true
		if !strings.Contains(page, "`"+alert[1]+"`") {
			t.Errorf("the page does not say what to do about the alert %s", alert[1])
		}
	}
	for _, quoted := range regexp.MustCompile("`(Healthrecords\\w+)`").FindAllStringSubmatch(page, -1) {
		if !known[quoted[1]] {
			t.Errorf("there is no alert %s", quoted[1])
		}
	}
	var programs strings.Builder
	for _, file := range testkit.Value(testkit.Files(testkit.Root(t)))(t) {
		if strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "validate.yaml") {
			programs.WriteString(read(t, file))
		}
	}
	for _, code := range regexp.MustCompile("\\b(?:401|403|409|422|429) `([a-z_]+)`").FindAllStringSubmatch(page, -1) {
		if !strings.Contains(programs.String(), `"`+code[1]+`"`) {
			t.Errorf("the API has no error code %s", code[1])
		}
	}
	phrases := regexp.MustCompile("(?m)(?:log: |log has |^\\| )`([A-Za-z][a-z]+ [^`]{12,})`").FindAllStringSubmatch(page, -1)
	if len(phrases) < 10 {
		t.Errorf("only %d quoted texts were found", len(phrases))
	}
	for _, phrase := range phrases {
		if !strings.Contains(programs.String(), phrase[1]) && !strings.HasPrefix(phrase[1], "audit verify") {
			t.Errorf("no program prints %q", phrase[1])
		}
	}
}
