package kubectl

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// connection says how to reach Kubernetes: kubectl's flags, environment and files.
type connection struct {
	rules     clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides
}

// addFlags adds the flags of kubectl that choose the cluster, the user and the namespace. `--server` and `--token` are not
// among them: the plugin talks to two servers, and a token in a flag is visible to everybody on the machine.
func (c *connection) addFlags(flags *pflag.FlagSet) {
	c.rules = *clientcmd.NewDefaultClientConfigLoadingRules()
	flags.StringVar(&c.rules.ExplicitPath, clientcmd.RecommendedConfigPathFlag, "", "Path to the kubeconfig file to use for CLI requests.")
	recommended := clientcmd.RecommendedConfigOverrideFlags("")
	clientcmd.BindOverrideFlags(&c.overrides, flags, clientcmd.ConfigOverrideFlags{
		AuthOverrideFlags: clientcmd.AuthOverrideFlags{
			Impersonate:       recommended.AuthOverrideFlags.Impersonate,
			ImpersonateUID:    recommended.AuthOverrideFlags.ImpersonateUID,
			ImpersonateGroups: recommended.AuthOverrideFlags.ImpersonateGroups,
		},
		ContextOverrideFlags: recommended.ContextOverrideFlags,
		CurrentContext:       recommended.CurrentContext,
		Timeout:              recommended.Timeout,
	})
}

func (c *connection) loader() clientcmd.ClientConfig {
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&c.rules, &c.overrides)
}

// namespace returns the namespace that the caller chose, or that of their context.
func (c *connection) namespace() (string, error) {
	namespace, _, err := c.loader().Namespace()
	if clientcmd.IsEmptyConfig(err) { // a dry run of the client needs no cluster
		return cmp.Or(c.overrides.Context.Namespace, metav1.NamespaceDefault), nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return namespace, nil
}

// requestTimeout returns the value of --request-timeout; 0 means none.
func (c *connection) requestTimeout() (time.Duration, error) {
	timeout, err := clientcmd.ParseTimeout(c.overrides.Timeout)
	if err != nil {
		return 0, fmt.Errorf("reading --request-timeout: %w", err)
	}
	return timeout, nil
}

// client returns a client for Kubernetes. Warnings of the API server go to stderr.
func (c *connection) client(stderr io.Writer) (client.WithWatch, error) {
	return c.clientWith(stderr, func(*rest.Config) {})
}

func (c *connection) clientWith(stderr io.Writer, change func(*rest.Config)) (client.WithWatch, error) {
	config, err := c.loader().ClientConfig()
	if err != nil {
		return nil, err //nolint:wrapcheck // kubectl prints the same text
	}
	config.UserAgent = rest.DefaultKubernetesUserAgent() + " " + pluginName
	config.WarningHandler = rest.NewWarningWriter(stderr, rest.WarningWriterOptions{Deduplicate: true})
	change(config)
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the types: %w", err)
	}
	if err := errors.Join(corev1.AddToScheme(scheme), authenticationv1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering the types: %w", err)
	}
	kube, err := client.NewWithWatch(config, client.Options{Scheme: scheme, Mapper: mapper()})
	if err != nil {
		return nil, fmt.Errorf("connecting to Kubernetes: %w", err)
	}
	return kube, nil
}

// mapper knows the plugin's kinds, which saves the requests that would ask the API server for all kinds.
func mapper() apimeta.RESTMapper {
	known := apimeta.NewDefaultRESTMapper([]schema.GroupVersion{v1alpha1.GroupVersion, corev1.SchemeGroupVersion})
	known.Add(v1alpha1.GroupVersion.WithKind(kind), apimeta.RESTScopeNamespace)
	known.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), apimeta.RESTScopeRoot)
	known.Add(authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview"), apimeta.RESTScopeRoot)
	return known
}
