// Package services starts private instances of the services that the platform uses: Postgres, Redis and a Kubernetes
// control plane. They listen on loopback only, require a password or token, and end with the program that
// started them. Tests and the development runner share it.
package services

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit/process"
)

const (
	loopback = "127.0.0.1"
	// startTimeout bounds the start of a service, which may first have to recover from a crash.
	startTimeout = 60 * time.Second
	stopTimeout  = 15 * time.Second
)

// FreePort returns a TCP port of the loopback address that nobody listens on. It is below the range that systems
// use for outgoing connections, so that it stays free while its service is down.
func FreePort(ctx context.Context) (int, error) {
	const lowest, count, attempts = 20000, 12000, 100
	var last error
	for range attempts {
		port := lowest + mathrand.IntN(count)
		if last = PortFree(ctx, port); last == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("finding a free port: %w", last)
}

// PortFree returns an error when a TCP port of the loopback address is in use.
func PortFree(ctx context.Context, port int) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address(port))
	if err != nil {
		return fmt.Errorf("trying port %d: %w", port, err)
	}
	return listener.Close()
}

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// Secret returns the content of a file that only its owner can read, made with a random text when it is missing.
func Secret(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	text := rand.Text()
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("writing a secret: %w", err)
	}
	return text, nil
}

// lookUp reports whether dir has an executable of that name, and returns its path.
func lookUp(dir, name string) (string, bool) {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// stop ends a process with its signal, or by force when that takes too long. It ignores a process that was never started.
func stop(ctx context.Context, p *process.Process) error {
	if p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return p.Stop(ctx)
}

// GetOK returns an error unless a URL answers with status 200.
func GetOK(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("calling %s: %w", url, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("calling %s: status %d", url, response.StatusCode)
	}
	return nil
}
