package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// conflist gives each pod a point-to-point link to its node and an address of the node's range; packets that leave the
// cluster get the node's own address.
const conflist = `{
  "cniVersion": "0.4.0",
  "name": "podnet",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": true,
      "mtu": 1500,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`

// network is the pod network as one node sees it.
type network struct {
	nodes         typedcorev1.NodeInterface
	self          string                                          // the node's name
	configuration string                                          // CNI's file
	ip            func(ctx context.Context, args ...string) error // iproute2
}

// sync updates CNI's file and the routes to match the cluster's nodes. A failing node does not hold up the others.
func (n network) sync(ctx context.Context) error {
	list, err := n.nodes.List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	var failures []error
	for _, node := range list.Items {
		if err := n.connect(ctx, node); err != nil {
			failures = append(failures, fmt.Errorf("connecting node %s: %w", node.Name, err))
		}
	}
	return errors.Join(failures...)
}

func (n network) connect(ctx context.Context, node corev1.Node) error {
	switch {
	case node.Spec.PodCIDR == "": // just joined
		return nil
	case node.Name == n.self:
		return n.configure(node.Spec.PodCIDR)
	}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return n.ip(ctx, "route", "replace", node.Spec.PodCIDR, "via", address.Address)
		}
	}
	return nil // its kubelet has not reported an address yet
}

// configure writes CNI's file if it differs. containerd reads the directory whenever it changes, so the file must appear
// complete.
func (n network) configure(cidr string) error {
	want := fmt.Appendf(nil, conflist, cidr)
	if have, err := os.ReadFile(n.configuration); err == nil && bytes.Equal(have, want) {
		return nil
	}
	unfinished := n.configuration + ".new"
	if err := os.WriteFile(unfinished, want, 0o600); err != nil {
		return fmt.Errorf("writing the CNI configuration: %w", err)
	}
	if err := os.Rename(unfinished, n.configuration); err != nil {
		return fmt.Errorf("putting the CNI configuration in place: %w", err)
	}
	return nil
}
