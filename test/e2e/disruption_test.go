//go:build e2e

package e2e

import (
	"testing"
	"time"
)

// loseRedis kills Redis, which restarts without data. Writes continue, and every notification arrives.
func loseRedis(t *testing.T, c cluster) {
	l := c.startLoad(t, "redis")
	l.awaitMore(t, 20, time.Minute)
	c.kill(t, "redis")
	l.awaitMore(t, 20, time.Minute)
	l.finish(t)
	l.expectNoFailure(t)
}

// losePostgres kills Postgres. Until it is back, the service answers that it is not available; then everything catches up.
func losePostgres(t *testing.T, c cluster) {
	l := c.startLoad(t, "postgres")
	l.awaitMore(t, 20, time.Minute)
	c.kill(t, "postgresql")
	l.awaitMore(t, 20, time.Minute)
	l.finish(t)
	if l.refused == 0 {
		t.Error("no request was refused while Postgres was gone")
	}
}

// kill deletes the pod of a part at once, and waits until another one is ready.
func (c cluster) kill(t *testing.T, part string) {
	t.Helper()
	began := time.Now()
	if _, err := c.kubectl(t.Context(), "delete", "pod", pods(part), "--grace-period=0", "--force"); err != nil {
		t.Fatal(err)
	}
	workload := map[string]string{"redis": "deployment/", "postgresql": "statefulset/"}[part] + object(part)
	if _, err := c.kubectl(t.Context(), "rollout", "status", workload, "--timeout=2m"); err != nil {
		t.Fatal(err)
	}
	t.Logf("another %s was ready after %s", part, time.Since(began).Round(time.Millisecond))
}
