package controllers

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// +kubebuilder:rbac:groups="",resources=namespaces,resourceNames=kube-system,verbs=get

// identity is what the controller says of itself with every change: its cluster and its term. Both are found out when they
// are first needed, which is after the controller has been elected.
type identity struct {
	declarer Declarer
	live     client.Reader                           // of the API server, without a cache
	leads    func(ctx context.Context) (bool, error) // see Options.Leads
	mutex    sync.Mutex
	cluster  string
	term     int64
}

// owner returns the object with the UID as the owner of claims.
func (i *identity) owner(ctx context.Context, uid types.UID) (clinic.Owner, error) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.cluster == "" {
		namespace := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
		if err := i.live.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, namespace); err != nil {
			log.FromContext(ctx).Error(err, "reading the namespace kube-system, whose UID is the cluster's id; CLUSTER_ID sets another")
			return clinic.Owner{}, clinic.Internal(err)
		}
		i.cluster = string(namespace.UID)
	}
	if i.term == 0 {
		term, err := i.declarer.NewTerm(ctx)
		if err != nil {
			return clinic.Owner{}, fmt.Errorf("beginning a term: %w", err)
		}
		if err := i.confirm(ctx); err != nil {
			return clinic.Owner{}, err
		}
		i.term = term
	}
	return clinic.Owner{UID: string(uid), Cluster: i.cluster, Term: i.term}, nil
}

// confirm fails unless the controller leads after it has drawn a term. A leader that was frozen before could otherwise draw a
// later term than its successor, and keep it from changing anything.
func (i *identity) confirm(ctx context.Context) error {
	if i.leads == nil {
		return nil
	}
	leads, err := i.leads(ctx)
	switch {
	case err != nil:
		log.FromContext(ctx).Error(err, "reading the Lease of the leader election")
		return clinic.Internal(err)
	case !leads:
		return clinic.Conflict("superseded", "another controller leads")
	default:
		return nil
	}
}
