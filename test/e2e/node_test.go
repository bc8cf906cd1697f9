//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// backWithin is the time after which the service must answer all requests again when a node is lost. Kubernetes needs up to
// 50 seconds to notice that; then it sends no more requests to the node.
const backWithin = 75 * time.Second

// loseNode stops the node that has a replica of each part but neither Postgres nor Redis, as a power failure does.
func loseNode(t *testing.T, c cluster) {
	lost := c.name + "-worker2"
	for _, part := range []string{"server", "worker", "controller"} {
		c.spread(t, part)
	}
	c.moveLeader(t, lost)
	l := c.startLoad(t, "lost-node")
	l.awaitMore(t, 20, time.Minute)
	began := time.Now()
	if _, err := run(t.Context(), nil, "docker", "kill", lost); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.startNode(t, lost) })
	if c.awaitSteady(t, 20) == 0 {
		t.Error("no request met the lost node: nothing was tested")
	}
	back := time.Since(began)
	t.Logf("every request was answered again %s after the node was lost", back.Round(time.Second))
	if back > backWithin {
		t.Errorf("that is more than %s", backWithin)
	}
	c.awaitLeader(t, lost)
	t.Logf("another controller led %s after the node was lost", time.Since(began).Round(time.Second))
	c.declareAndEnd(t, "node")
	l.awaitMore(t, 20, time.Minute)
	l.finish(t)
}

// spread waits until a part has replicas on both workers. It deletes pods that happen to run on the same worker.
func (c cluster) spread(t *testing.T, part string) {
	t.Helper()
	await(t, 2*time.Minute, func(ctx context.Context) error {
		if err := c.rollOut(ctx, part); err != nil {
			return err
		}
		out, err := c.kubectl(ctx, "get", "pods", pods(part), "--output=go-template={{range .items}}"+
			`{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{.spec.nodeName}}{{"\n"}}{{end}}{{end}}`)
		if err != nil {
			return err
		}
		names, nodes := []string{}, map[string]bool{}
		for line := range strings.Lines(out) {
			name, node, _ := strings.Cut(strings.TrimSpace(line), " ")
			names, nodes[node] = append(names, name), true
		}
		if len(nodes) == 2 {
			return nil
		}
		_, err = c.kubectl(ctx, "delete", "pod", names[0])
		return errors.Join(fmt.Errorf("all replicas of %s were on %v", part, nodes), err)
	})
}

func (c cluster) rollOut(ctx context.Context, part string) error {
	_, err := c.kubectl(ctx, "rollout", "status", "deployment/"+object(part), "--timeout=1m")
	return err
}

// leaderNode returns the node of the controller that holds the Lease.
func (c cluster) leaderNode(ctx context.Context) (string, error) {
	holder, err := c.kubectl(ctx, "get", "leases", "--output=jsonpath={.items[*].spec.holderIdentity}")
	if err != nil {
		return "", err
	}
	pod, _, _ := strings.Cut(holder, "_") // controller-runtime's identity is the host's name and a random part
	return c.kubectl(ctx, "get", "pod", pod, "--output=jsonpath={.spec.nodeName}")
}

// moveLeader makes sure that the leader runs on the node.
func (c cluster) moveLeader(t *testing.T, node string) {
	t.Helper()
	await(t, 2*time.Minute, func(ctx context.Context) error {
		on, err := c.leaderNode(ctx)
		if err != nil || on == node {
			return err
		}
		_, err = c.kubectl(ctx, "delete", "pod", pods("controller"), "--field-selector=spec.nodeName="+on)
		if err == nil {
			err = c.rollOut(ctx, "controller")
		}
		return errors.Join(fmt.Errorf("the leader was on %s", on), err)
	})
}

func (c cluster) awaitLeader(t *testing.T, not string) {
	t.Helper()
	await(t, time.Minute, func(ctx context.Context) error {
		on, err := c.leaderNode(ctx)
		if err == nil && on == not {
			err = fmt.Errorf("the leader is on %s", on)
		}
		return err
	})
}

// awaitSteady waits until a number of new connections in a row are answered, and returns how many were not.
func (c cluster) awaitSteady(t *testing.T, times int) (failures int) {
	t.Helper()
	await(t, 2*backWithin, func(ctx context.Context) error {
		for range times {
			http.DefaultClient.CloseIdleConnections()
			if err := c.expect(ctx, http.StatusUnauthorized, call{method: http.MethodGet, path: "/auth/profile/"}, nil); err != nil {
				failures++
				return err
			}
		}
		return nil
	})
	return failures
}

func (c cluster) startNode(t *testing.T, node string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	defer cancel()
	if _, err := run(ctx, nil, "docker", "start", node); err != nil {
		t.Error(err)
	}
	if _, err := c.kubectl(ctx, "wait", "node/"+node, "--for=condition=Ready", "--timeout=2m"); err != nil {
		t.Error(err)
	}
	c.forgetConnections(ctx, t)
}

// forgetConnections makes the node that has the port forget which pods it sent connections to. While it knows a connection
// that a lost pod did not answer, which is for two minutes after the last attempt, a later step's connection from the
// same port of the client would go to that pod, too, and be refused.
func (c cluster) forgetConnections(ctx context.Context, t *testing.T) {
	http.DefaultClient.CloseIdleConnections()
	_, err := run(ctx, nil, "docker", "exec", c.name+"-control-plane", "conntrack", "--delete", "--proto", "tcp", "--orig-port-dst", strconv.Itoa(nodePort))
	if err != nil && !strings.Contains(err.Error(), "0 flow entries") { // it has forgotten all of them already
		t.Error(err)
	}
}
