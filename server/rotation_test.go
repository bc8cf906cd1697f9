package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
	"github.com/healthrecords/healthrecords/internal/token"
)

// TestRotationFailsNoRequest rotates the key and removes the previous one, while
// clients use two servers that share the directory. One of the servers reads the
// directory much later than the other.
func TestRotationFailsNoRequest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := token.GenerateKey(dir)
	testkit.Must(t, err)
	first := filepath.Join(dir, "0001.pem") // the chart's name for the first key
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	testkit.Must(t, err)
	testkit.Must(t, os.Rename(files[0], first))
	database := testkit.NewDatabase(t, rights.Migrate)
	servers := []*world{
		newReplica(t, replica{database: database, keys: watchedKeys(t, dir, time.Millisecond)}),
		newReplica(t, replica{database: database, keys: watchedKeys(t, dir, 200*time.Millisecond)}),
	}
	servers[0].patient("patient1")
	clients := make([]*client, 4)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i := range clients {
		clients[i] = &client{servers: servers, tokens: servers[0].login("patient1")}
		group.Go(func() {
			if err := clients[i].work(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	defer group.Wait()
	defer stop()
	await(t, "a first token", func() bool { return clients[0].state().key != "" })
	before := clients[0].state().key
	_, err = token.RotateKeys(dir, time.Now())
	testkit.Must(t, err)
	await(t, "every client has a token of the new key", func() bool {
		return !slices.ContainsFunc(clients, func(c *client) bool { return c.state().key == before })
	})
	testkit.Must(t, os.Remove(first))
	await(t, "both servers know the new key alone", func() bool {
		return !slices.ContainsFunc(servers, func(w *world) bool {
			return len(dig[[]any](t, w.want(http.StatusOK, call{method: get, path: "/.well-known/jwks.json"}), "keys")) != 1
		})
	})
	done := clients[0].state().requests
	await(t, "the clients went on", func() bool { return clients[0].state().requests > done+200 || t.Failed() })
}

func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// watchedKeys returns the keys in dir, which are read again after each pause. They
// sign from one second after their creation.
func watchedKeys(t *testing.T, dir string, pause time.Duration) *token.Keys {
	t.Helper()
	keys, err := token.OpenKeys(token.KeysOptions{Dir: dir, Delay: time.Second, Poll: pause, Log: slog.New(slog.DiscardHandler)})
	testkit.Must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- keys.Watch(ctx) }()
	t.Cleanup(func() {
		stop()
		testkit.Must(t, <-ended)
	})
	return keys
}

// client sends requests to the servers in turn, and refreshes its token occasionally.
type client struct {
	servers []*world
	tokens  loggedIn
	mutex   sync.Mutex
	now     progress
}

type progress struct {
	key      string // id of the key that signed the newest token
	requests int
}

func (c *client) state() progress {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

func (c *client) work(ctx context.Context) error {
	for ctx.Err() == nil {
		n := c.state().requests
		w := c.servers[n%len(c.servers)]
		request := call{method: get, path: "/api/auth/profile/", token: c.tokens.access}
		if n%15 == 0 {
			request = call{method: post, path: "/api/auth/token/refresh/", body: map[string]any{"refresh": c.tokens.refresh}}
		}
		if err := c.send(w, request); err != nil { //nolint:contextcheck // a sent request is not canceled
			return err
		}
	}
	return nil
}

func (c *client) send(w *world, request call) error {
	response, err := http.DefaultClient.Do(w.request(request))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(request.path + " answered " + response.Status + ": " + string(body))
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now.requests++
	if request.method == get {
		return nil
	}
	var got struct{ Access, Refresh string }
	var header struct{ Kid string }
	err = json.Unmarshal(body, &got)
	raw, errRaw := base64.RawURLEncoding.DecodeString(strings.Split(got.Access, ".")[0])
	c.tokens = loggedIn{access: got.Access, refresh: got.Refresh}
	if err := errors.Join(err, errRaw, json.Unmarshal(raw, &header)); err != nil {
		return err
	}
	c.now.key = header.Kid
	return nil
}
