package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/healthrecords/healthrecords/internal/testkit/process"
)

// ControlPlaneOptions describe a Kubernetes API server with its etcd.
type ControlPlaneOptions struct {
	Binaries string    // directory of kube-apiserver and etcd; see ControlPlaneBinaries
	Dir      string    // directory of the objects, keys and certificates; made when missing
	Port     int       // 0 chooses a free one
	Durable  bool      // survives the loss of power, at the cost of speed
	Output   io.Writer // receives the logs; nil for none
}

// ControlPlane is a private Kubernetes API server that decides by RBAC. No controllers run in it, so nothing starts
// pods or collects garbage. It is started here and not by envtest, whose processes outlive a killed parent.
type ControlPlane struct {
	options ControlPlaneOptions
	token   string
	etcd    *process.Process
	server  *process.Process
}

// etcd does not authenticate its clients, so it listens only on sockets, in a directory that is closed to others. Their
// names are relative to the directory, because the path of a socket has 107 bytes at most.
const (
	etcdSocket     = "etcd.sock"
	etcdPeerSocket = "etcd-peer.sock"
)

// StartControlPlane starts etcd and kube-apiserver and returns once the API answers.
func StartControlPlane(ctx context.Context, options ControlPlaneOptions) (*ControlPlane, error) {
	c := &ControlPlane{options: options}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, step := range []func(context.Context) error{c.prepare, c.startEtcd, c.startServer} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("starting the control plane: %w", err), c.Stop(ctx))
		}
	}
	return c, nil
}

func (c *ControlPlane) prepare(ctx context.Context) (err error) {
	if c.options.Port == 0 {
		if c.options.Port, err = FreePort(ctx); err != nil {
			return err
		}
	}
	for _, path := range []*string{&c.options.Dir, &c.options.Binaries} { // the programs run in Dir
		if *path, err = filepath.Abs(*path); err != nil {
			return fmt.Errorf("finding a directory: %w", err)
		}
	}
	if err = os.MkdirAll(c.options.Dir, 0o700); err != nil {
		return fmt.Errorf("making the directory: %w", err)
	}
	if err = os.Chmod(c.options.Dir, 0o700); err != nil { //nolint:gosec // G302: a directory
		return fmt.Errorf("closing the directory to others: %w", err)
	}
	if c.token, err = Secret(c.path("token")); err != nil {
		return err
	}
	tokens := c.token + ",admin,admin,system:masters\n"
	if err = os.WriteFile(c.path("tokens.csv"), []byte(tokens), 0o600); err != nil {
		return fmt.Errorf("writing the tokens: %w", err)
	}
	return c.certify()
}

func (c *ControlPlane) startEtcd(ctx context.Context) (err error) {
	if err := os.Remove(c.path(etcdSocket)); err != nil && !errors.Is(err, fs.ErrNotExist) { // a killed etcd left it
		return fmt.Errorf("removing a socket: %w", err)
	}
	const client, peer = "unix://" + etcdSocket, "unix://" + etcdPeerSocket
	args := []string{
		"--data-dir=" + c.path("etcd"), "--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--log-level=warn", "--auto-compaction-retention=10m",
	}
	if !c.options.Durable {
		args = append(args, "--unsafe-no-fsync")
	}
	c.etcd, err = process.Start(process.Options{
		Name: "etcd", Path: filepath.Join(c.options.Binaries, "etcd"), Args: args, Dir: c.options.Dir, Output: c.options.Output,
		DeathSignal: syscall.SIGKILL,
	})
	if err != nil {
		return err
	}
	return c.etcd.WaitReady(ctx, func(context.Context) error {
		_, err := os.Stat(c.path(etcdSocket)) // the API server waits for the rest
		return err
	})
}

func (c *ControlPlane) startServer(ctx context.Context) (err error) {
	c.server, err = process.Start(process.Options{
		Name: "kube-apiserver", Path: filepath.Join(c.options.Binaries, "kube-apiserver"), Dir: c.options.Dir, Output: c.options.Output,
		Args: []string{
			"--etcd-servers=unix://" + etcdSocket,
			"--bind-address=" + loopback, "--endpoint-reconciler-type=none", "--secure-port=" + strconv.Itoa(c.options.Port),
			"--tls-cert-file=" + c.path(servingCertificate), "--tls-private-key-file=" + c.path(servingKey),
			"--token-auth-file=" + c.path("tokens.csv"), "--anonymous-auth=false", "--authorization-mode=RBAC",
			"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + c.path(servingKey),
			"--service-account-signing-key-file=" + c.path(servingKey),
			// No controller makes the default service accounts that this plug-in demands.
			"--disable-admission-plugins=ServiceAccount", "--service-cluster-ip-range=10.0.0.0/24", "--allow-privileged",
			"--v=0",
		},
	})
	if err != nil {
		return err
	}
	config := c.Config()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	defer client.CloseIdleConnections()
	return c.server.WaitReady(ctx, func(ctx context.Context) error { return GetOK(ctx, client, config.Host+"/readyz") })
}

// Config lets a client act as cluster administrator.
func (c *ControlPlane) Config() *rest.Config {
	return &rest.Config{
		Host: "https://" + address(c.options.Port), BearerToken: c.token,
		TLSClientConfig: rest.TLSClientConfig{CAFile: c.path(servingCertificate)},
		QPS:             1000, Burst: 2000, // the client's own throttle would only slow tests down
	}
}

// WriteKubeconfig writes a self-contained kubeconfig file of a cluster administrator, for its owner's eyes alone.
func (c *ControlPlane) WriteKubeconfig(path string) error {
	authority, err := os.ReadFile(c.path(servingCertificate))
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	const name = "healthrecords"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.Config().Host, CertificateAuthorityData: authority}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: c.token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, path); err != nil { // with mode 0600
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return nil
}

// InstallCRDs installs or updates the custom resource definitions in the files of dir and waits until they are served.
func (c *ControlPlane) InstallCRDs(dir string) error {
	options := envtest.CRDInstallOptions{Paths: []string{dir}, ErrorIfPathMissing: true}
	if _, err := envtest.InstallCRDs(c.Config(), options); err != nil {
		return fmt.Errorf("installing the custom resource definitions: %w", err)
	}
	return nil
}

// Kubectl is the path of the kubectl that hack/control-plane installs on a system without one.
func (c *ControlPlane) Kubectl() string { return filepath.Join(c.options.Binaries, "kubectl") }

// Processes are the running programs.
func (c *ControlPlane) Processes() []*process.Process { return []*process.Process{c.etcd, c.server} }

// Stop shuts both programs down.
func (c *ControlPlane) Stop(ctx context.Context) error {
	return errors.Join(stop(ctx, c.server), stop(ctx, c.etcd))
}

func (c *ControlPlane) path(name string) string { return filepath.Join(c.options.Dir, name) }

// ErrMissingBinaries means that kube-apiserver and etcd were not found.
var ErrMissingBinaries = errors.New("run `make control-plane`")

// ControlPlaneBinaries finds the directory of kube-apiserver and etcd: the one that KUBEBUILDER_ASSETS names, or else
// the one that hack/control-plane fills for the version that the module at root pins.
func ControlPlaneBinaries(root string) (string, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		pins, err := os.ReadFile(filepath.Join(root, "hack/components/kubernetes/go.mod"))
		if err != nil {
			return "", fmt.Errorf("reading the version of Kubernetes: %w", err)
		}
		version := regexp.MustCompile(`(?m)^\s*k8s\.io/kubernetes (v\S+)`).FindSubmatch(pins)
		if version == nil {
			return "", errors.New("hack/components/kubernetes/go.mod names no version of k8s.io/kubernetes")
		}
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding the cache directory: %w", err)
		}
		dir = filepath.Join(cache, "healthrecords/control-plane", string(version[1]))
	}
	for _, name := range []string{"kube-apiserver", "etcd"} {
		if path, found := lookUp(dir, name); !found {
			return "", fmt.Errorf("%w: %s does not exist", ErrMissingBinaries, path)
		}
	}
	return dir, nil
}
