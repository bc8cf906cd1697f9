package chart

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/healthrecords/healthrecords/internal/testkit/process"
	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// TestTheBundledRedisKeepsItsPasswordToItself starts a Redis with the container's command, and looks for the password
// in the arguments of redis-server. Redis itself would soon overwrite them.
func TestTheBundledRedisKeepsItsPasswordToItself(t *testing.T) {
	t.Parallel()
	const password = `odd "pass'word\ $(id) ~* #1`
	objects := render(t)
	container := pods(t, objects)["Deployment/clinic-healthrecords-redis"].Spec.Containers[0]
	content, _, _ := unstructured.NestedString(objects["ConfigMap/clinic-healthrecords-redis"].Object, "data", "redis.conf")
	port, err := services.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "redis.conf")
	content = strings.NewReplacer("port 6379", fmt.Sprintf("bind 127.0.0.1\nport %d", port), "dir /data", "dir "+dir).Replace(content)
	writeFile(t, config, []byte(content))
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	spy := fmt.Sprintf("#!/bin/sh\necho \"$@\" >%s/arguments\nexec %s \"$@\"\n", dir, binary)
	if err := os.WriteFile(filepath.Join(dir, "redis-server"), []byte(spy), 0o700); err != nil {
		t.Fatal(err)
	}
	command := make([]string, len(container.Command))
	for i, part := range container.Command { // the kubelet replaces $(NAME)
		command[i] = strings.NewReplacer("/etc/redis/redis.conf", config, "$(REDISCLI_AUTH)", password).Replace(part)
	}
	path := dir + ":" + os.Getenv("PATH")
	server, err := process.Start(process.Options{
		Name: "redis", Path: "/usr/bin/env", Args: append([]string{"PATH=" + path}, command...), Dir: dir,
		Env: []string{"PATH=" + path, "REDISCLI_AUTH=" + password},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.WithoutCancel(t.Context())) })
	ping := func(ctx context.Context, password string) error {
		client := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port), Password: password, MaxRetries: -1})
		defer func() { _ = client.Close() }()
		return client.Ping(ctx).Err()
	}
	if err := server.WaitReady(t.Context(), func(ctx context.Context) error { return ping(ctx, password) }); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "wrong"} {
		if err := ping(t.Context(), wrong); err == nil {
			t.Errorf("the password %q is taken", wrong)
		}
	}
	arguments, err := os.ReadFile(filepath.Join(dir, "arguments"))
	if err != nil || strings.Contains(string(arguments), password) {
		t.Errorf("redis-server was started with the arguments %q, %v", arguments, err)
	}
}
