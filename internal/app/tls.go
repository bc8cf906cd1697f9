package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// useTLS makes s serve HTTPS with the PEM files. The returned part reloads them
// whenever they change, until its context ends. If the certificate and the key do
// not match, it logs that and keeps the previous pair.
func useTLS(s *http.Server, certFile, keyFile string) (watch func(context.Context) error, err error) {
	watcher, err := certwatcher.New(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("loading the certificate: %w", err)
	}
	s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: watcher.GetCertificate}
	return watcher.Start, nil
}
