package chart

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestWrongValuesAreRefused with a message that names the value.
func TestWrongValuesAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ set, word string }{ // the values, separated by spaces, and a word in the message
		{"server.replcas=3", "server.replcas is not a value of this chart; did you mean server.replicas?"},
		{"doctorAutoVerify=true", "doctorAutoVerify is not a value of this chart; did you mean server.doctorAutoVerify?"},
		{"ingress.enabled=true", "ingress is not a value of this chart; did you mean server.ingress?"},
		{"sever.replicas=3", "sever is not a value of this chart; did you mean server?"},
		{"postgresql.external.caSecret.secret=x", "postgresql.external.caSecret has name, key"},
		{"worker.keda.enable=true image.tags=x", "did you mean image.tag?\n  - worker.keda.enable is not a value of this chart; did you mean worker.keda.enabled?"},
		{"extraObjects={1}", "/extraObjects/0"},
		{"server.extraVolumes[0].configMap.name=ca", "/server/extraVolumes/0"},
		{"server.extraVolumeMounts[0].name=ca", "mountPath"},
		{"server.replicas=two", "/server/replicas"},
		{"server.replicas=-1", "/server/replicas"},
		{"image.digest=latest", "/image/digest"},
		{"log.level=loud", "'warn'"},
		{"admin.username=first,last", "/admin/username"},
		{"worker.pollInterval=soon", "/worker/pollInterval"},
		{"worker.keda.minReplicas=0", "/worker/keda/minReplicas"},
		{"server.publicURL=records.example.org", "/server/publicURL"},
		{"server.service.port=0", "/server/service/port"},
		{"postgresql.mode=mysql", "'cloudnativepg'"},
		{"postgresql.external.sslMode=on", "'verify-full'"},
		{"redis.mode=external redis.external.addresses={redis}", "/redis/external/addresses/0"},
		{"redis.keyPrefix={}", "/redis/keyPrefix"},
		{"postgresql.mode=external", "postgresql.external.passwordSecret.name"},
		{"postgresql.mode=external postgresql.external.urlSecret.name=x", "postgresql.roles.enabled=false"},
		{"postgresql.mode=external postgresql.external.host=x postgresql.external.urlSecret.name=x postgresql.external.passwordSecret.name=x", "set only one"},
		{"postgresql.external.host=x", "postgresql.mode=external"},
		{"postgresql.roles.server=healthrecords", "four different roles"},
		{"redis.mode=external", "redis.external.addresses"},
		{"redis.external.addresses={a:1}", "redis.mode=external"},
		{"redis.mode=external redis.external.addresses={a:1,b:1}", "sentinel or cluster"},
		{"redis.mode=external redis.external.type=sentinel redis.external.addresses={a:1}", "masterName"},
		{"redis.mode=external redis.external.type=cluster redis.external.addresses={a:1} redis.external.database=1", "must be 0"},
		{"redis.mode=external redis.external.addresses={a:1} redis.external.tls.clientSecret=x", "need TLS"},
		{"redis.mode=external redis.external.addresses={a:1} redis.external.tls.caSecret.name=x", "need TLS"},
		{"redis.mode=external redis.external.addresses={a:1} redis.external.masterName=x", "redis.external.masterName"},
		{"redis.mode=external redis.external.addresses={a:1} redis.external.sentinelPasswordSecret.name=x", "redis.external.sentinelPasswordSecret"},
		{"redis.mode=external redis.external.addresses={a:1} redis.external.username=x", "redis.external.passwordSecret"},
		{"postgresql.mode=external postgresql.external.host=x postgresql.external.passwordSecret.name=x postgresql.external.caSecret.name=x postgresql.external.sslMode=prefer", "sslMode=verify-full"},
		{"server.tls.enabled=true", "server.tls.existingSecret"},
		{"server.tls.existingSecret=x", "server.tls.enabled"},
		{"server.tls.enabled=true server.tls.certManager.enabled=true", "issuerRef.name"},
		{"server.ingress.enabled=true", "server.ingress.hosts"},
		{"server.httpRoute.enabled=true", "server.httpRoute.parentRefs"},
		{"server.ingress.enabled=true server.ingress.hosts={a.example.org}", "server.trustedProxies"},
		{"server.trustedProxies={ten}", "trustedProxies"},
		{"controller.clusterID=a/b", "/controller/clusterID"},
		{"rbac.requester=yes", "/rbac/requester"},
		{"server.breakGlassDuration=long", "breakGlassDuration"},
		{"server.doctorSelfAssignment=true", "doctorSelfAssignment"},
		{"server.autoscaling.minReplicas=11", "server.autoscaling.minReplicas"},
		{"server.autoscaling.enabled=true server.resources.requests.cpu=null", "server.resources.requests.cpu"},
		{"worker.keda.minReplicas=11", "worker.keda.minReplicas"},
		{"worker.maxBacklog=50", "worker.batchSize"},
		{"monitoring.podMonitor.enabled=true monitoring.serviceMonitor.enabled=true", "counted twice"},
		{"networkPolicy.enabled=true monitoring.podMonitor.enabled=true", "networkPolicy.metricsFrom"},
	}
	for _, helm := range helms {
		for _, test := range tests {
			t.Run(helm+"/"+test.set, func(t *testing.T) {
				t.Parallel()
				args := []string{"template", release, chartDir, "--kube-version", kubernetesVersions[0]}
				for set := range strings.FieldsSeq(test.set) {
					args = append(args, "--set", strings.ReplaceAll(set, "first,last", `first\,last`))
				}
				output, err := tool(t, helm, args...)
				if err == nil {
					t.Fatal("they are accepted")
				}
				if !strings.Contains(output, test.word) {
					t.Errorf("the message does not name %q:\n%s", test.word, output)
				}
			})
		}
	}
}

// TestOldKubernetesIsRefused before anything is installed.
func TestOldKubernetesIsRefused(t *testing.T) {
	t.Parallel()
	if output, err := template(t, "--kube-version", "v1.29.0"); err == nil || !strings.Contains(output, ">=1.30") {
		t.Errorf("%v: %s", err, output)
	}
}

// TestSchemaNamesAllValues checks that the schema has a type for exactly the values that have an effect and are in the README.
func TestSchemaNamesAllValues(t *testing.T) {
	t.Parallel()
	var schema, values object
	for file, target := range map[string]*object{"values.schema.json": &schema, "values.yaml": &values} {
		content, err := os.ReadFile(chartDir + "/" + file)
		if err == nil {
			err = yaml.Unmarshal(content, target)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	definitions, _ := schema["definitions"].(object)
	compare(t, "", schema, values, definitions)
}

// compare checks the groups of values. templates/validate.yaml refuses other keys: it names the nearest one, which a
// schema cannot.
func compare(t *testing.T, path string, schema, values, definitions object) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		schema, _ = definitions[strings.TrimPrefix(ref, "#/definitions/")].(object)
	}
	properties, ok := schema["properties"].(object)
	if !ok || strings.HasSuffix(path, ".resources") || strings.HasSuffix(path, ".issuerRef") {
		return
	}
	if schema["additionalProperties"] != nil {
		t.Errorf("the schema refuses keys of %s, before templates/validate.yaml can name the nearest one", path)
	}
	if diff := cmp.Diff(keysOf(properties), keysOf(values)); diff != "" {
		t.Errorf("%s: schema (-), values.yaml (+):\n%s", path, diff)
	}
	for key, value := range values {
		inner, isObject := value.(object)
		property, _ := properties[key].(object)
		if isObject {
			compare(t, path+"."+key, property, inner, definitions)
		}
	}
}

// TestSchemaIsDraft07, which every Helm supports.
func TestSchemaIsDraft07(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(chartDir + "/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Schema string `json:"$schema"`
	}
	if err := json.Unmarshal(content, &schema); err != nil || schema.Schema != "http://json-schema.org/draft-07/schema#" {
		t.Errorf("%v: %q", err, schema.Schema)
	}
}
