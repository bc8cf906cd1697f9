package settings

import (
	"strings"
	"testing"
)

// FuzzLoad loads any values. Accepted values can be used; the error
// for others quotes no secret.
func FuzzLoad(f *testing.F) {
	const canary = "canary-5c7e"
	f.Add("postgres://owner:"+canary+"@127.0.0.1:5432/records", "redis://:"+canary+"@127.0.0.1:6379/3", "https://a.example", "10.0.0.0/8", "127.0.0.1:8000", "20s")
	f.Add("host="+canary, "rediss://[::1]:x/"+canary, "http://a.example/x?"+canary, "10.0.0.0/33, ::/0,", ":http", "1")
	f.Add("postgres://%zz"+canary, "unix:///"+canary, "://", ",,", "[", "-1s")
	f.Add(canary, canary, "https://u:p@a.example", "fe80::1%eth0/64", "", "9999999h")
	f.Fuzz(func(t *testing.T, database, redisURL, origin, network, address, duration string) {
		var s Server
		err := load(environ("DATABASE_URL", database, "REDIS_URL", redisURL, "PUBLIC_URL", origin, "CORS_ORIGINS", origin+","+origin,
			"TRUSTED_PROXIES", network, "LISTEN_ADDRESS", address, "SHUTDOWN_GRACE", duration, "DATABASE_MAX_CONNS", duration), &s)
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("a secret is quoted: %v", err)
			}
			return
		}
		if options := s.Redis.Options(); len(options.Addrs) == 0 {
			t.Errorf("%q has no address", redisURL)
		}
		_ = s.Database.ConnString()
	})
}
