package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

const (
	checkTimeout = 15 * time.Second // for one attempt
	checkPause   = 2 * time.Second  // between two of them
)

// newCheckCommand is what `helm test` runs: the image holds no other program.
func newCheckCommand() *cobra.Command {
	var base, username, passwordFile string
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "check --url URL",
		Short: "Check from outside that the API works",
		Long: "Ask the API whether it is there and, with --username, log in and read one's own profile, which takes\n" +
			"Postgres and the signing keys. The password comes from --password-file, a prompt or standard input.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := url.Parse(base)
			if err != nil {
				return fmt.Errorf("reading --url: %w", err)
			}
			c := checker{base: address, out: cmd.OutOrStdout(), username: username}
			if username != "" {
				if c.password, err = readPassword(cmd.InOrStdin(), cmd.ErrOrStderr(), passwordFile); err != nil {
					return err
				}
			}
			return c.keepTrying(cmd.Context(), patience)
		},
	}
	cmd.Flags().StringVar(&base, "url", "http://127.0.0.1:8000", "where the API is")
	cmd.Flags().StringVar(&username, "username", "", "name to log in with")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file that holds the password")
	cmd.Flags().DurationVar(&patience, "wait", 0, "how long to try again, where the API or the administrator may be yet to come")
	return cmd
}

// checker calls the API and prints a line for each call.
type checker struct {
	base               *url.URL
	out                io.Writer
	username, password string // no username: no login
	access             string // access token, once logged in
}

// keepTrying returns the last error when the time is over.
func (c *checker) keepTrying(ctx context.Context, patience time.Duration) error {
	deadline := time.Now().Add(patience)
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
	if err := c.call(ctx, http.MethodGet, "/health/", nil, nil); err != nil || c.username == "" {
		return err
	}
	var tokens struct {
		Access string `json:"access"`
	}
	credentials := map[string]string{"username": c.username, "password": c.password}
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
	request, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(path).String(), bytes.NewReader(content))
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
		return fmt.Errorf("asking %s: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = fmt.Fprintf(c.out, "%s %s: %s in %s\n", method, path, response.Status, time.Since(start).Round(time.Millisecond))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s is answered %s", method, path, response.Status)
	}
	if result == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(result); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}
