package kubectl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Bounds of what the plugin reads from the REST API.
const (
	apiTimeout  = 15 * time.Second // of a request, unless --request-timeout says otherwise
	maxAnswer   = 4 << 20          // bytes of one answer
	maxToken    = 64 << 10         // bytes of a token's file
	pageSize    = 100
	maxPages    = 50  // of a list
	maxDetailed = 100 // assignments whose claims are read one by one
)

// api is the REST API with the caller's token.
type api struct {
	base  *url.URL
	token string
	http  *http.Client
}

// newAPI returns the REST API at address. A token never leaves the machine without TLS.
func newAPI(address, token string, timeout time.Duration) (*api, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.User != nil {
		return nil, errors.New("the address of the REST API must be a URL such as https://healthrecords.example")
	}
	if base.Scheme != "https" && (base.Scheme != "http" || !isLoopback(base.Hostname())) {
		return nil, errors.New("the address of the REST API must begin with https://: the token would be readable on its way to another machine")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, errors.New("the token must be a single line with the access token of a login")
	}
	if timeout == 0 {
		timeout = apiTimeout
	}
	// A redirect could lead the token elsewhere.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &api{base: base, token: token, http: &http.Client{Timeout: timeout, CheckRedirect: stay}}, nil
}

func isLoopback(host string) bool {
	address := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || address != nil && address.IsLoopback()
}

// readToken reads an access token from a file.
func readToken(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the caller chooses a file that they may read
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	if len(content) > maxToken {
		return "", errors.New("reading the token: the file is too large for one")
	}
	return strings.TrimSpace(string(content)), nil
}

// refusal is an answer of the API that is not 200.
type refusal int

func (r refusal) Error() string {
	switch int(r) {
	case http.StatusUnauthorized:
		return "the REST API refused the token (401); log in again for a new one"
	case http.StatusForbidden:
		return "the REST API does not let the token's user read this (403)"
	case http.StatusNotFound:
		return "the REST API was not found (404); check its address"
	default:
		return fmt.Sprintf("the REST API answered %d %s", int(r), http.StatusText(int(r)))
	}
}

// get requests a path below the base and decodes the answer. Errors contain neither the query nor the token.
func (a *api) get(ctx context.Context, path string, query url.Values, into any) error {
	target := a.base.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return errors.New("the REST API's address is not usable")
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", pluginName)
	response, err := a.http.Do(request)
	if err != nil {
		var detailed *url.Error
		if errors.As(err, &detailed) { // its text has the URL, and so usernames
			err = detailed.Err
		}
		return fmt.Errorf("the REST API cannot be reached: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return refusal(response.StatusCode)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("reading the REST API's answer: %w", err)
	}
	if len(content) > maxAnswer || json.Unmarshal(content, into) != nil {
		return errors.New("the answer is not one of the REST API; check its address")
	}
	return nil
}

// list reads the pages of a list until each returns false, or until the list ends. It says whether it has read all that
// each asked for: at most maxPages pages are read.
func list[T any](ctx context.Context, a *api, path string, query url.Values, each func(T) (more bool)) (complete bool, err error) {
	query.Set("page_size", fmt.Sprint(pageSize))
	query.Set("cursor", "")
	for range maxPages {
		var page struct {
			Next    *string `json:"next"`
			Results []T     `json:"results"`
		}
		if err := a.get(ctx, path, query, &page); err != nil {
			return false, err
		}
		for _, item := range page.Results {
			if !each(item) {
				return true, nil
			}
		}
		if page.Next == nil {
			return true, nil
		}
		next, err := url.Parse(*page.Next)
		if err != nil || next.Query().Get("cursor") == "" {
			return false, errors.New("the answer is not one of the REST API; check its address")
		}
		query.Set("cursor", next.Query().Get("cursor")) // only this: the token goes to no other address
	}
	return false, nil
}
