package settings

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// choice is the part of the options that the settings choose.
type choice struct {
	Addrs                                []string
	MasterName                           string
	Cluster                              bool
	DB                                   int
	Username, Password, SentinelPassword string
}

func TestRedisOptions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ map[string]string
		want    choice
		tls     bool
		client  any
	}{
		{
			name: "one server", environ: map[string]string{"REDIS_URL": "rediss://worker:secret@cache:6380/3"}, tls: true, client: &redis.Client{},
			want: choice{Addrs: []string{"cache:6380"}, DB: 3, Username: "worker", Password: "secret"},
		},
		{
			name: "password beside the URL", environ: map[string]string{"REDIS_URL": "redis://cache:6379", "REDIS_PASSWORD": "secret"}, client: &redis.Client{},
			want: choice{Addrs: []string{"cache:6379"}, Password: "secret"},
		},
		{
			name: "Sentinel", client: &redis.Client{},
			environ: map[string]string{
				"REDIS_SENTINEL_ADDRESSES": "s0:1,s1:1", "REDIS_MASTER_NAME": "main", "REDIS_SENTINEL_PASSWORD": "other", "REDIS_DATABASE": "2",
			},
			want: choice{Addrs: []string{"s0:1", "s1:1"}, MasterName: "main", SentinelPassword: "other", DB: 2},
		},
		{
			name: "Cluster of one address", client: &redis.ClusterClient{}, tls: true,
			environ: map[string]string{"REDIS_CLUSTER_ADDRESSES": "c0:1", "REDIS_TLS": "true"},
			want:    choice{Addrs: []string{"c0:1"}, Cluster: true},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.environ["DATABASE_URL"] = "postgres://db"
			test.environ["AUDIT_KEYS_DIR"] = "keys"
			var w Worker
			if err := load(test.environ, &w); err != nil {
				t.Fatal(err)
			}
			got := w.Redis.Options()
			named := choice{got.Addrs, got.MasterName, got.IsClusterMode, got.DB, got.Username, got.Password, got.SentinelPassword}
			if diff := cmp.Diff(test.want, named); diff != "" {
				t.Error(diff)
			}
			if (got.TLSConfig != nil) != test.tls {
				t.Errorf("TLS = %v, want %v", got.TLSConfig != nil, test.tls)
			}
			client := redis.NewUniversalClient(got)
			defer client.Close()
			if reflect.TypeOf(client) != reflect.TypeOf(test.client) {
				t.Errorf("client is a %T, want a %T", client, test.client)
			}
		})
	}
}
