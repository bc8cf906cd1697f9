// Package hack_test tests the errors of the scripts, each in a repository for the test.
package hack_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

const (
	chart     = "name: healthrecords\nversion: 1.2.3\nappVersion: 1.2.3\n"
	changelog = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-30\n\n## [1.2.2] - 2026-10-30\n"
	absent    = "0123456789012345678901234567890123456789"
)

// repository is one commit with scripts of hack/ and the files that they read.
type repository struct{ directory string }

func newRepository(t *testing.T, scripts ...string) repository {
	t.Helper()
	r := repository{t.TempDir()}
	for _, script := range scripts {
		content, err := os.ReadFile(script)
		testkit.Must(t, err)
		r.write(t, "hack/"+script, string(content))
		testkit.Must(t, os.Chmod(filepath.Join(r.directory, "hack", script), 0o700))
	}
	r.write(t, "charts/healthrecords/Chart.yaml", chart)
	r.write(t, "CHANGELOG.md", changelog)
	r.write(t, "test/e2e/previous-release", "# the previous release\n"+absent+"\n")
	r.git(t, "init", "--quiet")
	r.commit(t)
	return r
}

func (r repository) write(t *testing.T, file, content string) {
	t.Helper()
	path := filepath.Join(r.directory, file)
	testkit.Must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	testkit.Must(t, os.WriteFile(path, []byte(content), 0o600))
}

func (r repository) git(t *testing.T, args ...string) {
	t.Helper()
	args = append([]string{"-C", r.directory, "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"}, args...)
	if out, err := command(t, "git", args...).CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
}

// command is a command that finds its repository by its directory, also when git runs the tests, from a hook: the
// variables that it sets there would lead to the developer's repository, and the tests would commit to it.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "GIT_") })
	return cmd
}

func (r repository) commit(t *testing.T) {
	t.Helper()
	r.git(t, "add", "--all")
	r.git(t, "commit", "--quiet", "--allow-empty", "--message=a commit")
}

// expectRefusal fails unless the script ends with code 1 and says all of the words.
func (r repository) expectRefusal(t *testing.T, words []string, script string, args ...string) {
	t.Helper()
	out, err := command(t, filepath.Join(r.directory, "hack", script), args...).CombinedOutput()
	if err == nil {
		t.Fatalf("%s succeeds: %s", script, out)
	}
	for _, word := range words {
		if !strings.Contains(string(out), word) {
			t.Errorf("%s does not say %q: %s", script, word, out)
		}
	}
}

func TestVersionIsStatedOnce(t *testing.T) {
	t.Parallel()
	out, err := command(t, filepath.Join(newRepository(t, "version").directory, "hack/version")).Output()
	if err != nil || string(out) != "1.2.3\n" {
		t.Errorf("the version is %q, %v", out, err)
	}
	for name, file := range map[string]struct{ path, before, after string }{
		"the chart's own differs": {"charts/healthrecords/Chart.yaml", "\nversion: 1.2.3", "\nversion: 1.2.4"},
		"it is none":              {"charts/healthrecords/Chart.yaml", "1.2.3", "v1.2"},
		"it is not in the log":    {"CHANGELOG.md", "[1.2.3]", "[1.2.4]"},
		"it has no date":          {"CHANGELOG.md", "[1.2.3] - 2026-11-30", "[1.2.3]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepository(t, "version")
			content, err := os.ReadFile(filepath.Join(r.directory, file.path))
			testkit.Must(t, err)
			r.write(t, file.path, strings.ReplaceAll(string(content), file.before, file.after))
			r.expectRefusal(t, []string{file.path}, "version")
		})
	}
}

func TestReleaseIsOfATaggedCommit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*testing.T, repository)
		words   []string
	}{
		"changes": {func(t *testing.T, r repository) {
			t.Helper()
			r.write(t, "new", "")
		}, []string{"git status"}},
		"no tag": {func(*testing.T, repository) {}, []string{"v1.2.3", "git tag", "git fetch --tags", "SNAPSHOT=1"}},
		"another commit": {func(t *testing.T, r repository) {
			t.Helper()
			r.git(t, "tag", "v1.2.3")
			r.commit(t)
		}, []string{"v1.2.3", "Chart.yaml", "CHANGELOG.md"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepository(t, "version", "release")
			test.prepare(t, r)
			r.expectRefusal(t, test.words, "release")
			if _, err := os.Stat(filepath.Join(r.directory, "dist")); err == nil {
				t.Error("it begins all the same")
			}
		})
	}
}

func TestPreviousReleaseSaysHowToFetchIt(t *testing.T) {
	t.Parallel()
	r := newRepository(t, "previous-release")
	r.expectRefusal(t, []string{absent, "git fetch origin " + absent}, "previous-release", "--check")

	r.commit(t)
	shallow := repository{t.TempDir()}
	r.git(t, "clone", "--quiet", "--depth=1", "file://"+r.directory, shallow.directory)
	shallow.expectRefusal(t, []string{absent, "git fetch --unshallow"}, "previous-release", "--check")
}

// TestRunNeedsNoBrowser checks which packages the script asks for on a machine that has none, and no apt-get.
func TestRunNeedsNoBrowser(t *testing.T) {
	t.Parallel()
	bash := testkit.Value(exec.LookPath("bash"))(t)
	for _, test := range []struct {
		args         []string
		want, unlike []string
	}{
		{nil, []string{"redis-server"}, []string{"chromium", "prometheus"}},
		{[]string{"--tests"}, []string{"redis-server", "chromium", "prometheus"}, nil},
		{[]string{"ip=iproute2"}, []string{"iproute2"}, []string{"redis-server", "chromium"}},
	} {
		cmd := exec.CommandContext(t.Context(), bash, append([]string{"install-packages"}, test.args...)...)
		cmd.Env = []string{"PATH=" + t.TempDir()}
		output, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(output), "please install these") {
			t.Errorf("%q: %v: %s", test.args, err, output)
		}
		for _, name := range test.want {
			if !strings.Contains(string(output), name) {
				t.Errorf("%q does not ask for %s: %s", test.args, name, output)
			}
		}
		for _, name := range test.unlike {
			if strings.Contains(string(output), name) {
				t.Errorf("%q asks for %s: %s", test.args, name, output)
			}
		}
	}
}

// TestAFailedInstallationLeavesNothingBehind lets npm ask a registry that does not answer.
func TestAFailedInstallationLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Fatal("npm is needed: run make node")
	}
	cache := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "node/run", "true")
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache, "npm_config_cache="+t.TempDir(), "npm_config_registry=http://127.0.0.1:1", "npm_config_fetch_retries=0")
	output, err := cmd.CombinedOutput()
	if err == nil || strings.Contains(string(output), "unbound") || !strings.Contains(string(output), "ECONNREFUSED") {
		t.Errorf("%v: %s", err, output)
	}
	if left := testkit.Value(os.ReadDir(filepath.Join(cache, "healthrecords/node")))(t); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
