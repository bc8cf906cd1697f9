//go:build e2e

// Package e2e tests the released chart through the life of a clinic on a kind cluster. make e2e runs it.
package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const artifacts = root + "/artifacts/e2e"

// steps run in sequence on one release. Each step uses the state that the previous ones left.
var steps = []struct {
	name string
	run  func(*testing.T, cluster)
}{
	{"install", install},
	{"helm test", helmTest},
	{"size and idle memory", footprint},
	{"walkthrough", walkThrough},
	{"declared assignment", declare},
	{"sample object", applySample},
	{"requester", forgeRequester},
	{"tutorial", followTutorial},
	{"Redis lost under load", loseRedis},
	{"Postgres lost under load", losePostgres},
	{"node lost under load", loseNode},
	{"uninstall and reinstall", reinstall},
	{"upgrade of the previous release", upgrade},
}

func TestPlatform(t *testing.T) {
	c, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	defer func() { t.Logf("times of the steps\n%s", table.String()) }()
	for _, step := range steps {
		began := time.Now()
		ok := t.Run(step.name, func(t *testing.T) { step.run(t, c) })
		result := map[bool]string{true: "ok", false: "FAILED"}[ok]
		fmt.Fprintf(&table, "%-32s %6.1f s  %s\n", step.name, time.Since(began).Seconds(), result)
		if !ok {
			c.keepArtifacts(t)
			return
		}
	}
}

// keepArtifacts writes files that help to find out why a step failed. If one cannot be created, it contains the error.
func (c cluster) keepArtifacts(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := os.MkdirAll(artifacts, 0o750); err != nil {
		t.Error(err)
		return
	}
	names, _ := c.kubectl(ctx, "get", "pods", "--output=name")
	commands := map[string][]string{
		"pods.txt":     {"get", "pods,jobs,doctorassignments", "--output=wide"},
		"describe.txt": {"describe", "pods,jobs,doctorassignments,nodes"},
		"events.txt":   {"get", "events", "--sort-by=.lastTimestamp"},
	}
	for pod := range strings.FieldsSeq(names) {
		file := strings.ReplaceAll(pod, "/", "-")
		commands[file+".log"] = []string{"logs", pod, "--all-containers", "--timestamps"}
		commands[file+"-previous.log"] = []string{"logs", pod, "--all-containers", "--timestamps", "--previous"}
	}
	for file, args := range commands {
		content, err := c.kubectl(ctx, args...)
		if err != nil {
			content += "\n" + err.Error() + "\n"
		}
		if err := os.WriteFile(filepath.Join(artifacts, file), []byte(content), 0o600); err != nil {
			t.Error(err)
		}
	}
	t.Logf("logs, events and descriptions are in %s", strings.TrimPrefix(artifacts, root+"/"))
}
