package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher/metrics"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/server"
)

// mounted is a directory where Kubernetes mounts a Secret: all files change at
// once, when a link is pointed to another directory and the old one is removed.
type mounted struct{ dir string }

func (m mounted) path(name string) string { return filepath.Join(m.dir, name) }

func (m mounted) put(t *testing.T, version string, cert, key []byte) {
	t.Helper()
	testkit.Must(t, os.Mkdir(m.path(version), 0o700))
	testkit.Must(t, os.WriteFile(filepath.Join(m.path(version), "tls.crt"), cert, 0o600))
	testkit.Must(t, os.WriteFile(filepath.Join(m.path(version), "tls.key"), key, 0o600))
	before, _ := os.Readlink(m.path("..data"))
	testkit.Must(t, os.Symlink(version, m.path("..new")))
	testkit.Must(t, os.Rename(m.path("..new"), m.path("..data")))
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink(filepath.Join("..data", name), m.path(name)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	if before != "" {
		testkit.Must(t, os.RemoveAll(m.path(before)))
	}
}

func newPair(t *testing.T, serial int64, trust *x509.CertPool) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	testkit.Must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, &x509.Certificate{SerialNumber: big.NewInt(serial)}, private.Public(), private)
	testkit.Must(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	testkit.Must(t, err)
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trust.AppendCertsFromPEM(cert)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

func TestServerTakesANewCertificateWithoutAFailedRequest(t *testing.T) {
	t.Parallel()
	trust := x509.NewCertPool()
	secret := mounted{t.TempDir()}
	cert, key := newPair(t, 1, trust)
	secret.put(t, "first", cert, key)
	url := serveTLS(t, secret)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trust}}}
	serial := func() int64 { // of the certificate that a new connection gets
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		testkit.Must(t, err)
		response, err := client.Do(request)
		testkit.Must(t, err)
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusNoContent {
			t.Fatalf("status %d", response.StatusCode)
		}
		return response.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	await := func(what string, condition func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !condition(); {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain until %s", what)
			}
		}
	}
	if got := serial(); got != 1 {
		t.Fatalf("the first certificate is %d", got)
	}
	cert, key = newPair(t, 2, trust)
	secret.put(t, "second", cert, key)
	await("the new certificate is used", func() bool { return serial() == 2 })

	failures := testutil.ToFloat64(metrics.ReadCertificateErrors)
	_, stranger := newPair(t, 3, trust)
	secret.put(t, "broken", cert, stranger)
	await("the broken pair is read", func() bool { return serial() == 2 && testutil.ToFloat64(metrics.ReadCertificateErrors) > failures })
	if got := serial(); got != 2 {
		t.Errorf("after a broken pair the certificate is %d", got)
	}
	cert, key = newPair(t, 4, trust)
	secret.put(t, "fourth", cert, key)
	await("the mended pair is used", func() bool { return serial() == 4 })

	old := &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11} //nolint:gosec // to be refused
	conn, err := (&tls.Dialer{Config: old}).DialContext(t.Context(), "tcp", url[len("https://"):])
	if err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is served")
	}
}

// serveTLS runs a server with the secret's pair until the test ends.
func serveTLS(t *testing.T, secret mounted) (url string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := server.NewHTTPServer("", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), log)
	watch, err := useTLS(s, secret.path("tls.crt"), secret.path("tls.key"))
	testkit.Must(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- watch(ctx) }()
	go func() { ended <- server.Serve(ctx, s, listener, 0, time.Minute) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return "https://" + listener.Addr().String()
}

func TestUseTLSRefusesABrokenPair(t *testing.T) {
	t.Parallel()
	secret := mounted{t.TempDir()}
	cert, _ := newPair(t, 1, x509.NewCertPool())
	_, key := newPair(t, 2, x509.NewCertPool())
	secret.put(t, "first", cert, key)
	if _, err := useTLS(&http.Server{}, secret.path("tls.crt"), secret.path("tls.key")); err == nil { //nolint:gosec // serves nothing
		t.Error("a key of another certificate is taken")
	}
}
