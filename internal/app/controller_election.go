package app

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/leaderelection"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/healthrecords/healthrecords/internal/settings"
)

const leaderElectionID = "healthrecords-controller.healthrecords.io"

// renewDeadline is that of the manager: its requests for the Lease take at most half of it.
const renewDeadline = 10 * time.Second

// election is the Lease of the leader election, which the manager would create by itself, but keep to itself.
type election struct{ *resourcelock.LeaseLock }

// newElection returns nil where no leader is elected.
func newElection(config *rest.Config, cfg settings.Controller) (*election, error) {
	lock, err := leaderelection.NewResourceLock(config, silent{}, leaderelection.Options{
		LeaderElection: cfg.LeaderElect, LeaderElectionID: leaderElectionID, LeaderElectionNamespace: cfg.LeaderElectionNamespace,
		RenewDeadline: renewDeadline,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the leader election: %w", err)
	}
	lease, elects := lock.(*resourcelock.LeaseLock)
	if !elects {
		return nil, nil //nolint:nilnil // there is none
	}
	return &election{lease}, nil
}

// leads asks the API server whether this process holds the Lease. It uses a lock of its own, because the manager's is not safe
// for concurrent use.
func (e *election) leads(ctx context.Context) (bool, error) {
	current := resourcelock.LeaseLock{LeaseMeta: e.LeaseMeta, Client: e.Client}
	record, _, err := current.Get(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the Lease: %w", err)
	}
	return record.HolderIdentity == e.Identity(), nil
}

// silent is the recorder of events until the manager has one.
type silent struct{ recorder.Provider }

// GetEventRecorderFor implements recorder.Provider.
func (silent) GetEventRecorderFor(string) record.EventRecorder { return &record.FakeRecorder{} }
