// podnet is the smallest pod network that a kind cluster of several nodes needs. On each node it writes the CNI
// configuration for the node's own range of pod addresses, and keeps one route to the range of each other node.
// It does not enforce NetworkPolicies.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	configuration = "/etc/cni/net.d/10-podnet.conflist"
	interval      = 2 * time.Second
)

func main() {
	if err := run(); err != nil {
		slog.Error("podnet failed", "error", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	config, err := rest.InClusterConfig()
	if err != nil {
		return fmt.Errorf("reading the service account: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	n := network{
		nodes:         client.CoreV1().Nodes(),
		self:          os.Getenv("NODE_NAME"),
		configuration: configuration,
		ip:            ip,
	}
	// Listing every few seconds also repairs what a watch would not see, such as a removed route.
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := n.sync(ctx); err != nil {
			slog.WarnContext(ctx, "not all of the network is set up", "error", err)
		}
	}, interval)
	return nil
}

// ip runs iproute2's program.
func ip(ctx context.Context, args ...string) error {
	output, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput() //nolint:gosec // no shell, and only addresses
	if err != nil {
		return fmt.Errorf("ip %q: %w: %s", args, err, output)
	}
	return nil
}
