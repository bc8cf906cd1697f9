package settings

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMisspelledNamesTheSetting(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"DOCTOR_AUTO_VERFY":      "DOCTOR_AUTO_VERIFY",
		"DOCTOR_SELF_ASIGNEMENT": "DOCTOR_SELF_ASSIGNMENT",
		"DATABSE_URL":            "DATABASE_URL",
		"REDIS_PASWORD_FILE":     "REDIS_PASSWORD_FILE",
		"CORS_ORIGIN":            "CORS_ORIGINS",
		"LOG_LEVELS":             "LOG_LEVEL",
		"LISTEN_ADDR":            "LISTEN_ADDRESS",
		"SIGNING_KEYS":           "SIGNING_KEYS_DIR",
	} {
		if diff := cmp.Diff([]Near{{name, want}}, misspelled([]string{"PATH=/bin", name + "=secret"})); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMisspelledLeavesOtherVariablesAlone(t *testing.T) {
	t.Parallel()
	environ := []string{
		"HOME=/", "SSL_CERT_FILE=x", "SSL_CERT_DIR=x", "OTEL_SERVICE_NAME=x", "OTEL_EXPORTER_OTLP_ENDPOINT=x", "KUBERNETES_SERVICE_HOST=x",
		"KUBERNETES_PORT_443_TCP=x", "REDIS_PORT=x", "REDIS_SERVICE_HOST=x", "POSTGRES_PASSWORD=x", "DATABASE_SERVICE_PORT=x", "POD_NAME=x",
		"POD_NAMESPACE=x", "HTTP_PROXY=x", "NO_PROXY=x", "LC_ALL=x", "LOG_DIR=x", "TLS_CA_FILE=x", "ADMIN_USERNAME=x", "ADMIN_PASSWORD=x",
		"ADMIN_URL=x", "BASE_URL=x", "GOMAXPROCS=x", "XDG_CACHE_HOME=x", "SERVER_PORT=x", "WORKER_ID=x", "doctor_auto_verfy=x", "Ann_SMITH=x",
	}
	for _, command := range Commands() {
		for _, v := range variablesOf(command.Settings) {
			environ = append(environ, v.name+"=x", v.name+"_FILE=x")
		}
	}
	if found := misspelled(environ); len(found) > 0 {
		t.Errorf("%v are taken for misspelled settings", found)
	}
}
