package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func node(name, cidr, address string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDR: cidr}}
	if address != "" {
		n.Status.Addresses = []corev1.NodeAddress{
			{Type: corev1.NodeHostName, Address: name},
			{Type: corev1.NodeInternalIP, Address: address},
		}
	}
	return n
}

func TestSync(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(
		node("self", "10.244.1.0/24", "172.18.0.2"),
		node("unreachable", "10.244.2.0/24", "172.18.0.3"),
		node("other", "10.244.3.0/24", "172.18.0.4"),
		node("no-range-yet", "", "172.18.0.5"),
		node("no-address-yet", "10.244.5.0/24", ""),
	)
	unreachable := errors.New("unreachable")
	var calls []string
	n := network{
		nodes:         client.CoreV1().Nodes(),
		self:          "self",
		configuration: filepath.Join(t.TempDir(), "podnet.conflist"),
		ip: func(_ context.Context, args ...string) error {
			calls = append(calls, strings.Join(args, " "))
			if strings.HasSuffix(calls[len(calls)-1], "172.18.0.3") {
				return unreachable
			}
			return nil
		},
	}

	if err := n.sync(t.Context()); !errors.Is(err, unreachable) {
		t.Errorf("sync: got %v, want the failure of one route", err)
	}
	want := []string{
		"route replace 10.244.3.0/24 via 172.18.0.4",
		"route replace 10.244.2.0/24 via 172.18.0.3",
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	if got := subnet(t, n.configuration); got != "10.244.1.0/24" {
		t.Errorf("CNI's subnet: got %q", got)
	}
}

// subnet reads the range of pod addresses back from CNI's file.
func subnet(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Plugins []struct {
			IPAM struct {
				Ranges [][]struct{ Subnet string }
			}
		}
	}
	if err := json.Unmarshal(content, &list); err != nil {
		t.Fatalf("CNI's file is no JSON: %v", err)
	}
	return list.Plugins[0].IPAM.Ranges[0][0].Subnet
}
