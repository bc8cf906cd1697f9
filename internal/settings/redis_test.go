package settings

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"math/big"
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

// TestRedisSettingsOfNoEffectAreFaults tries each setting that the chosen way to Redis does not read. Those of TLS would
// leave the password readable on the network.
func TestRedisSettingsOfNoEffectAreFaults(t *testing.T) {
	t.Parallel()
	certificate, key := pair(t)
	sentinel := []string{"REDIS_URL", "", "REDIS_SENTINEL_ADDRESSES", "s0:1", "REDIS_MASTER_NAME", "main"}
	cluster := []string{"REDIS_URL", "", "REDIS_CLUSTER_ADDRESSES", "c0:1"}
	for _, test := range []struct {
		name    string
		environ []string
		want    []string
	}{
		{"certificates without TLS", []string{"REDIS_TLS_CA", certificate, "REDIS_TLS_CERT", certificate, "REDIS_TLS_KEY", key}, []string{"REDIS_TLS_CA", "REDIS_TLS_CERT"}},
		{"certificates and Sentinel without TLS", append(sentinel, "REDIS_TLS_CA", certificate), []string{"REDIS_TLS_CA"}},
		{"certificates and a Cluster without TLS", append(cluster, "REDIS_TLS_CERT", certificate, "REDIS_TLS_KEY", key), []string{"REDIS_TLS_CERT"}},
		{
			"settings of Sentinel and Cluster beside REDIS_URL",
			[]string{"REDIS_MASTER_NAME", "main", "REDIS_SENTINEL_PASSWORD", "x", "REDIS_DATABASE", "2", "REDIS_TLS", "true"},
			[]string{"REDIS_MASTER_NAME", "REDIS_SENTINEL_PASSWORD", "REDIS_DATABASE", "REDIS_TLS"},
		},
		{"settings of Sentinel with a Cluster", append(cluster, "REDIS_MASTER_NAME", "main", "REDIS_SENTINEL_PASSWORD", "x", "REDIS_DATABASE", "2"), []string{"REDIS_MASTER_NAME", "REDIS_SENTINEL_PASSWORD", "REDIS_DATABASE"}},
		{"a second password", []string{"REDIS_PASSWORD", "other"}, []string{"REDIS_PASSWORD"}},
		{"a second user", []string{"REDIS_URL", "redis://one@cache:6379", "REDIS_USERNAME", "other", "REDIS_PASSWORD", "x"}, []string{"REDIS_USERNAME"}},
		{"a user without a password", []string{"REDIS_URL", "redis://cache:6379", "REDIS_USERNAME", "worker"}, []string{"REDIS_USERNAME"}},
		{"a user without a password in the URL", []string{"REDIS_URL", "redis://worker@cache:6379"}, []string{"REDIS_URL"}},
		{"parameters of the URL", []string{"REDIS_URL", "redis://cache:6379/3?pool_size=100"}, []string{"REDIS_URL"}},
	} {
		err := load(environ(test.environ...), &Server{})
		if diff := cmp.Diff(test.want, names(err)); diff != "" {
			t.Errorf("%s: %s\n%v", test.name, diff, err)
		}
	}
	for name, taken := range map[string][]string{
		"rediss":   {"REDIS_URL", "rediss://cache:6379", "REDIS_PASSWORD", "x", "REDIS_USERNAME", "worker", "REDIS_TLS_CA", certificate, "REDIS_TLS_CERT", certificate, "REDIS_TLS_KEY", key},
		"Sentinel": append(sentinel, "REDIS_TLS", "true", "REDIS_TLS_CA", certificate, "REDIS_DATABASE", "2", "REDIS_SENTINEL_PASSWORD", "x", "REDIS_PASSWORD", "y"),
		"Cluster":  append(cluster, "REDIS_TLS", "true", "REDIS_TLS_CA", certificate),
	} {
		var s Server
		if err := load(environ(taken...), &s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if config := s.Redis.Options().TLSConfig; config == nil || config.RootCAs == nil {
			t.Errorf("%s: the certificates to trust are not used", name)
		}
	}
}

// pair returns a PEM certificate and its key.
func pair(t *testing.T) (certificate, key string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}
