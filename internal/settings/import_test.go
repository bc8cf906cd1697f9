package settings

import "testing"

func TestImportNeedsNoRedis(t *testing.T) {
	t.Parallel()
	variables := environ()
	delete(variables, "REDIS_URL")
	var with, without Import
	if err := load(variables, &without); err != nil || without.HasRedis() {
		t.Errorf("without Redis: %v", err)
	}
	if err := load(environ(), &with); err != nil || !with.HasRedis() {
		t.Errorf("with Redis: %v", err)
	}
	if err := load(environ("REDIS_URL", "http://"), new(Import)); err == nil {
		t.Error("an invalid Redis URL is accepted")
	}
}

// A setting of Redis without an address is a mistake that must not be ignored.
func TestImportRefusesRedisWithoutAnAddress(t *testing.T) {
	t.Parallel()
	for _, setting := range [][2]string{
		{"REDIS_MASTER_NAME", "m"},
		{"REDIS_USERNAME", "u"},
		{"REDIS_PASSWORD", "p"},
		{"REDIS_SENTINEL_PASSWORD", "p"},
		{"REDIS_DATABASE", "1"},
		{"REDIS_TLS", "true"},
		{"REDIS_TLS_CA", "x"},
		{"REDIS_TLS_CERT", "x"},
		{"REDIS_TLS_KEY", "x"},
	} {
		variables := environ(setting[0], setting[1])
		delete(variables, "REDIS_URL")
		if err := load(variables, new(Import)); err == nil {
			t.Errorf("%s alone is ignored", setting[0])
		}
	}
}
