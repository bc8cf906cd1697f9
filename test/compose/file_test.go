package compose_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestOnlyThisMachineReachesTheAPI checks the published ports, and what the platform's containers may do.
func TestOnlyThisMachineReachesTheAPI(t *testing.T) {
	t.Parallel()
	for name, s := range load(t).Services {
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %s", name, port)
			}
		}
		if published := len(s.Ports) > 0; published != (name == "server") {
			t.Errorf("%s publishes %v", name, s.Ports)
		}
		if s.Build.Dockerfile != "" && (!s.ReadOnly || len(s.CapDrop) != 1 || len(s.SecurityOpt) != 1) {
			t.Errorf("%s has more rights than it needs", name)
		}
		for dependency, is := range s.DependsOn {
			want := "service_completed_successfully"
			if load(t).Services[dependency].Restart != "" {
				want = "service_healthy"
			}
			if is.Condition != want {
				t.Errorf("%s waits for %s until %s, not until %s", name, dependency, is.Condition, want)
			}
		}
		if running := s.Restart != ""; running != (len(s.Healthcheck.Test) > 0) {
			t.Errorf("%s runs: %v, and its health check is %q", name, running, s.Healthcheck.Test)
		}
		for variable := range s.Environment {
			if strings.HasSuffix(variable, "_PASSWORD") && name != "passwords" {
				t.Errorf("%s has a password in its environment: %s", name, variable)
			}
		}
	}
}

// TestImagesAreThoseOfTheChart and the compiler is the module's.
func TestImagesAreThoseOfTheChart(t *testing.T) {
	t.Parallel()
	root := testkit.Root(t)
	read := func(path string) string {
		return string(testkit.Value(os.ReadFile(filepath.Join(root, path)))(t))
	}
	var values struct {
		Postgresql, Redis struct{ Bundled struct{ Image string } }
	}
	testkit.Must(t, yaml.Unmarshal([]byte(read("charts/healthrecords/values.yaml")), &values))
	services := load(t).Services
	for name, want := range map[string]string{
		"postgres": values.Postgresql.Bundled.Image, "passwords": values.Postgresql.Bundled.Image, "redis": values.Redis.Bundled.Image,
	} {
		if got := services[name].Image; got != want {
			t.Errorf("%s runs %s, the chart %s", name, got, want)
		}
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read("go.mod"))[1]
	dockerfile := read("hack/compose/Dockerfile")
	if !strings.Contains(dockerfile, "FROM golang:"+version+" AS build\n") {
		t.Errorf("the Dockerfile does not compile with Go %s", version)
	}
	for line := range strings.SplitSeq(read("Dockerfile"), "\n") { // both images run the same
		if regexp.MustCompile(`^(FROM|USER|ENTRYPOINT) `).MatchString(line) && !strings.Contains(dockerfile, line+"\n") {
			t.Errorf("the Dockerfile lacks %q", line)
		}
	}
}
