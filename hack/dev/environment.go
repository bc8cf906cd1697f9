package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

// environment is what other programs need to talk to the running platform.
func (r *runner) environment() [][2]string {
	return [][2]string{
		{"BASE_URL", r.baseURL},
		{"ADMIN_URL", r.adminURL()},
		{"ADMIN_USERNAME", administrator},
		{"ADMIN_PASSWORD", r.password},
		{"DATABASE_URL", r.postgres.DSN(database)},
		{"REDIS_URL", r.redis.URL(0)},
		{"KUBECONFIG", r.kubeconfig()},
	}
}

// adminURL is the URL of the server's health and metrics.
func (r *runner) adminURL() string {
	for _, p := range r.parts {
		if p.name == "server" {
			return "http://" + address(p.adminPort)
		}
	}
	return ""
}

func (r *runner) environmentFile() string { return filepath.Join(r.state, "env") }

// writeEnvironment writes the environment as shell assignments in one step: if the file exists, it is
// complete and everything is ready.
func (r *runner) writeEnvironment() error {
	var text strings.Builder
	for _, pair := range r.environment() {
		fmt.Fprintf(&text, "%s=%s\n", pair[0], quote(pair[1]))
	}
	unfinished := r.environmentFile() + ".new"
	if err := os.WriteFile(unfinished, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("writing the environment: %w", err)
	}
	if err := os.Rename(unfinished, r.environmentFile()); err != nil {
		return fmt.Errorf("finishing the environment: %w", err)
	}
	return nil
}

// forgetEnvironment removes the file once its content is out of date.
func (r *runner) forgetEnvironment() error {
	if err := os.Remove(r.environmentFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the environment: %w", err)
	}
	return nil
}

// quote quotes a text as a single shell word.
func quote(text string) string {
	if regexp.MustCompile(`^[A-Za-z0-9@%+=:,./?_-]+$`).MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

//go:embed walkthrough.tmpl
var walkthrough string

func (r *runner) printWalkthrough() error {
	data := map[string]string{
		"URL": r.baseURL, "AdminURL": r.adminURL(), "Username": administrator, "Password": r.password,
		"Kubectl": quote(r.kubectl()), "Kubeconfig": quote(r.relative(r.kubeconfig())), "Environment": r.relative(r.environmentFile()),
	}
	page, err := template.New("walkthrough").Parse(walkthrough)
	if err != nil {
		return fmt.Errorf("reading the walkthrough: %w", err)
	}
	var text strings.Builder
	if err := page.Execute(&text, data); err != nil {
		return fmt.Errorf("filling in the walkthrough: %w", err)
	}
	r.console.text(text.String())
	return nil
}

// kubectl returns the path of the system's kubectl, or else of the one next to the API server.
func (r *runner) kubectl() string {
	if _, err := exec.LookPath("kubectl"); err == nil {
		return "kubectl"
	}
	return r.control.Kubectl()
}

func (r *runner) relative(path string) string {
	relative, err := filepath.Rel(r.root, path)
	if err != nil {
		return path
	}
	return relative
}
