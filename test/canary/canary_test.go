// Package canary_test runs a clinic on the whole platform with a marker in each text, and looks for the markers wherever
// they might leak.
package canary_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/redis/go-redis/v9"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/server"
)

// ids is larger than the number of rows in any table.
const ids = 15

func TestNoMarkerIsWhereItMayNotBe(t *testing.T) {
	p := startPlatform(t)
	people := p.live(t)
	await(t, "all are notified", func() bool { return p.db.Count(`SELECT count(*) FROM outbox WHERE finished_at IS NULL`) == 0 })

	seen := map[string]string{} // all answers to each role
	for role, who := range people {
		for _, path := range readable(t) {
			for id := range ids {
				_, header, body := p.ask(t, http.MethodGet, strings.Replace(path, "{id}", strconv.Itoa(id+1), 1), who.token, nil)
				seen[role] += header + body
				if !strings.Contains(path, "{id}") {
					break
				}
			}
		}
		seen[role] += p.search(t, who)
		p.look(t, role, seen[role])
	}
	for marker, readers := range markers() { // otherwise nothing was tested
		for _, role := range strings.Fields(readers) {
			if role != "cache" && role != "spans" && role != "status" && !strings.Contains(seen[role], marker) {
				t.Errorf("%s does not read %s, which they may read", role, marker)
			}
		}
	}
	p.lookBehind(t)
}

// search returns the answers to searches, in which the words of others' texts and those of the query must not be.
func (p *platform) search(t *testing.T, who person) (answers string) {
	t.Helper()
	for _, query := range []string{"Canary-query", "says", "canary*", "canary -query", "Canarx-corrected-private", "-Canary-query"} {
		_, header, body := p.ask(t, http.MethodPost, "/api/health-records/search/", who.token, map[string]any{"query": query})
		answers += header + body
	}
	return answers
}

// readable returns the paths of the document that have GET.
func readable(t *testing.T) []string {
	t.Helper()
	printed, err := server.OpenAPI()
	testkit.Must(t, err)
	document, err := openapi3.NewLoader().LoadFromData(printed)
	testkit.Must(t, err)
	paths := []string{"/api/none/", "/metrics"}
	for path, item := range document.Paths.Map() {
		if item.Get != nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// look fails for each marker in the text that the reader may not see, and for the code for a new password, which
// only the answer to the administrator contained.
func (p *platform) look(t *testing.T, reader, text string) {
	t.Helper()
	if text == "" {
		t.Errorf("%s: nothing to search", reader)
	}
	if p.code == "" || strings.Contains(text, p.code) {
		t.Errorf("%s contains the code for a new password", reader)
	}
	for marker, readers := range markers() {
		// A user's name is the beginning of their other markers.
		if at := strings.Index(strings.ReplaceAll(text, marker+"-", ""), marker); at >= 0 && !slices.Contains(strings.Fields(readers), reader) {
			t.Errorf("%s contains %s: …%s…", reader, marker, text[max(0, at-100):min(len(text), at+150)])
		}
	}
}

// lookBehind searches everything that the platform writes besides its answers.
func (p *platform) lookBehind(t *testing.T) {
	t.Helper()
	for name, part := range p.parts {
		p.look(t, "log of the "+name, part.Output())
		metrics := *p
		metrics.api = "http://" + part.Admin
		_, _, exposed := metrics.ask(t, http.MethodGet, "/metrics", "", nil)
		p.look(t, "metrics of the "+name, exposed)
	}
	await(t, "spans", func() bool { // the controller has none
		return strings.Contains(p.spans.String(), "healthrecords-server") && strings.Contains(p.spans.String(), "healthrecords-worker")
	})
	p.look(t, "spans", p.spans.String())
	for _, table := range []string{"outbox", "notifications"} {
		var rows string
		testkit.Must(t, p.db.Pool.QueryRow(t.Context(), `SELECT coalesce(string_agg(t::text, ' '), '') FROM `+table+` t`).Scan(&rows))
		p.look(t, table, rows)
	}
	p.lookAtRedis(t)
	p.lookAtTheCluster(t)
}

// lookAtRedis dumps every key. The cache of the doctors' directory contains only texts that every user may read.
func (p *platform) lookAtRedis(t *testing.T) {
	t.Helper()
	options, err := redis.ParseURL(p.redis.URL(0))
	testkit.Must(t, err)
	db := redis.NewClient(options)
	defer func() { _ = db.Close() }()
	testkit.Must(t, db.ConfigSet(t.Context(), "rdbcompression", "no").Err()) // otherwise dumps would be compressed
	keys, err := db.Keys(t.Context(), "*").Result()
	testkit.Must(t, err)
	var streams int
	for _, key := range keys {
		dump, err := db.Dump(t.Context(), key).Result()
		testkit.Must(t, err)
		reader := "Redis key " + key
		switch {
		case strings.Contains(key, "directory"):
			reader = "cache"
		case strings.Contains(key, "events"):
			streams++
		}
		p.look(t, reader, key+dump)
	}
	if streams == 0 {
		t.Errorf("the keys %v include no stream", keys)
	}
}

// lookAtTheCluster searches the object's status and the events about it.
func (p *platform) lookAtTheCluster(t *testing.T) {
	t.Helper()
	da := &v1alpha1.DoctorAssignment{}
	testkit.Must(t, p.cluster.Get(t.Context(), client.ObjectKey{Namespace: p.namespace, Name: "care"}, da))
	status, err := json.Marshal(da.Status)
	testkit.Must(t, err)
	p.look(t, "status", string(status))
	var list eventsv1.EventList
	await(t, "an event", func() bool {
		testkit.Must(t, p.cluster.List(t.Context(), &list, client.InNamespace(p.namespace)))
		return len(list.Items) > 0
	})
	events, err := json.Marshal(list.Items)
	testkit.Must(t, err)
	p.look(t, "events", string(events))
}
