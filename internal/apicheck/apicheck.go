// Package apicheck checks from outside that the API works. `healthrecords check`
// is its command line, which `helm test` runs.
package apicheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	checkTimeout = 15 * time.Second // for one attempt
	checkPause   = 2 * time.Second  // between two of them
)

// Options describe the API to check. URL is required.
type Options struct {
	URL                *url.URL      // where the API is
	Ready              bool          // URL is the admin port of a part: only check that the part is ready
	Username, Password string        // to log in with; no username: no login
	Patience           time.Duration // how long to try again
	Out                io.Writer     // gets a line for each call; nil: discarded
}

func (o *Options) setDefaults() {
	if o.Out == nil {
		o.Out = io.Discard
	}
}

func (o *Options) validate() error {
	if o.URL == nil {
		return errors.New("checking the API needs its URL")
	}
	return nil
}

// checker calls the API and prints a line for each call.
type checker struct {
	Options
	access string // access token, once logged in
}

// Run checks the API until it works. It returns the last error when Patience is over.
func Run(ctx context.Context, opts Options) error {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return err
	}
	c := checker{Options: opts}
	deadline := time.Now().Add(opts.Patience)
	for {
		err := c.attempt(ctx)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(checkPause):
		}
	}
}

func (c *checker) attempt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c.access = ""
	if c.Ready {
		return c.call(ctx, http.MethodGet, "/readyz", nil, nil)
	}
	if err := c.call(ctx, http.MethodGet, "/health/", nil, nil); err != nil || c.Username == "" {
		return err
	}
	var tokens struct {
		Access string `json:"access"`
	}
	credentials := map[string]string{"username": c.Username, "password": c.Password}
	if err := c.call(ctx, http.MethodPost, "/api/auth/login/", credentials, &tokens); err != nil {
		return err
	}
	c.access = tokens.Access
	return c.call(ctx, http.MethodGet, "/api/auth/profile/", nil, nil)
}

// call fails unless the answer is 200. It reads the answer into result unless that is nil.
func (c *checker) call(ctx context.Context, method, path string, body, result any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding a request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.URL.JoinPath(path).String(), bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if c.access != "" {
		request.Header.Set("Authorization", "Bearer "+c.access)
	}
	start := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("calling %s: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = fmt.Fprintf(c.Out, "%s %s: %s in %s\n", method, path, response.Status, time.Since(start).Round(time.Millisecond))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s answers %s", method, path, response.Status)
	}
	if result == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(result); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}
