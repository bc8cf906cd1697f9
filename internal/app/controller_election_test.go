package app

import (
	"context"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/healthrecords/healthrecords/internal/settings"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestOnlyTheHolderOfTheLeaseLeads asks before the election, after it, and when another process has taken the Lease.
func TestOnlyTheHolderOfTheLeaseLeads(t *testing.T) {
	t.Parallel()
	cfg := settings.Controller{LeaderElect: true, LeaderElectionNamespace: "default"}
	cfg.Kubernetes.Kubeconfig = testkit.Kubeconfig(t)
	manager, lease, err := newManager(cfg)
	testkit.Must(t, err)
	if _, err := lease.leads(t.Context()); err == nil {
		t.Error("there is a Lease before an election")
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	select {
	case <-manager.Elected():
	case <-time.After(time.Minute):
		t.Fatal("nobody was elected")
	}
	if leads, err := lease.leads(t.Context()); !leads || err != nil {
		t.Errorf("the leader does not lead: %v", err)
	}
	other := resourcelock.LeaseLock{LeaseMeta: lease.LeaseMeta, Client: lease.Client}
	gomega.NewWithT(t).Eventually(func() error { // the leader renews the Lease meanwhile
		record, _, err := other.Get(t.Context())
		if err != nil {
			return err //nolint:wrapcheck // the test prints it
		}
		record.HolderIdentity = "another"
		return other.Update(t.Context(), *record) //nolint:wrapcheck // the test prints it
	}).WithTimeout(time.Minute).Should(gomega.Succeed())
	if leads, err := lease.leads(t.Context()); leads || err != nil {
		t.Errorf("a process leads that does not hold the Lease: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Logf("the manager that has lost its Lease: %v", err)
	}
}

func TestWithoutAnElectionNobodyIsAsked(t *testing.T) {
	t.Parallel()
	cfg := settings.Controller{}
	cfg.Kubernetes.Kubeconfig = testkit.Kubeconfig(t)
	if _, lease, err := newManager(cfg); lease != nil || err != nil {
		t.Errorf("newManager: %v, %v", lease, err)
	}
}
