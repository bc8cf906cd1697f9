package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// useTLS makes s serve HTTPS with the PEM files. The returned part reads them
// again whenever they change, until its context ends; a pair that does not fit
// is logged, and the one before it stays.
func useTLS(s *http.Server, certFile, keyFile string) (watch func(context.Context) error, err error) {
	watcher, err := certwatcher.New(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("loading the certificate: %w", err)
	}
	s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: watcher.GetCertificate}
	return watcher.Start, nil
}
