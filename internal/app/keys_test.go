package app

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/token"
)

func TestKeysRotateAddsAKeyToADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	testkit.Must(t, os.WriteFile(filepath.Join(dir, "0001.pem"), newKeyFile(t), 0o600))
	var out, told bytes.Buffer
	if code := Main([]string{"keys", "rotate", "--dir", dir}, nil, &out, &told); code != 0 {
		t.Fatalf("exit code %d: %s", code, told.String())
	}
	keys, err := token.LoadKeys(dir)
	if err != nil || len(keys.Public()) != 2 || !strings.Contains(out.String(), "signs from") {
		t.Errorf("%v, %v: %s", keys, err, out.String())
	}
	if code := Main([]string{"keys", "rotate", "--dir", dir}, nil, &out, &told); code != 1 || !strings.Contains(told.String(), "ten minutes") {
		t.Errorf("a second rotation: exit code %d: %s", code, told.String())
	}
}

func TestKeysRotateInAnEmptyDirectoryAddsTheFirstKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var out, told bytes.Buffer
	if code := Main([]string{"keys", "rotate", "--dir", dir}, nil, &out, &told); code != 0 {
		t.Fatalf("exit code %d: %s", code, told.String())
	}
	if text := out.String(); !strings.Contains(text, "there was no key to rotate") || !strings.Contains(text, "signs at once") || strings.Contains(text, "signs from") {
		t.Error(text)
	}
	keys, err := token.LoadKeys(dir)
	testkit.Must(t, err)
	if len(keys.Public()) != 1 {
		t.Errorf("%d keys", len(keys.Public()))
	}
	_, err = token.NewSigner(token.AccessOptions{Keys: keys, Issuer: "test", Audience: "test"})
	testkit.Must(t, err)
}

// newKeyFile returns the content of a key's file.
func newKeyFile(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	_, err := token.GenerateKey(dir)
	testkit.Must(t, err)
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	testkit.Must(t, err)
	content, err := os.ReadFile(files[0])
	testkit.Must(t, err)
	return content
}

func TestKeysRotateRewritesASecret(t *testing.T) {
	t.Parallel()
	key := newKeyFile(t)
	encoded := base64.StdEncoding.EncodeToString(key)
	manifest := `{"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"0001.pem": "` + encoded + `",
		"0002.pem": "` + encoded + `", "20200101T000000.000000000Z.pem": "` + encoded + `", "note": "bm90ZQ=="},
		"metadata": {"name": "clinic-signing-keys", "namespace": "clinic", "resourceVersion": "42", "annotations": {"helm.sh/resource-policy": "keep"}}}`
	var out, told bytes.Buffer
	if code := Main([]string{"keys", "rotate", "--secret"}, strings.NewReader(manifest), &out, &told); code != 0 {
		t.Fatalf("exit code %d: %s", code, told.String())
	}
	var secret corev1.Secret
	testkit.Must(t, yaml.Unmarshal(out.Bytes(), &secret))
	if secret.Kind != "Secret" || secret.ResourceVersion != "42" || secret.Annotations["helm.sh/resource-policy"] != "keep" ||
		string(secret.Data["note"]) != "note" || !bytes.Equal(secret.Data["20200101T000000.000000000Z.pem"], key) {
		t.Errorf("the Secret lost something: %v", secret)
	}
	if len(secret.Data) != 3 || secret.Data["0001.pem"] != nil || secret.Data["0002.pem"] != nil {
		t.Errorf("data = %v: want the signing key, the new one and the note", secret.Data)
	}
	if strings.Contains(told.String(), "BEGIN") || !strings.Contains(told.String(), "removed 0001.pem") {
		t.Errorf("told: %s", told.String())
	}
}

func TestKeysRotateRefusesWhatIsNoSecret(t *testing.T) {
	t.Parallel()
	for _, input := range []string{"", "{}", "kind: ConfigMap", "kind: List", "secret material", "{\"kind\": \"Secret\", \"data\": {\"0001.pem\": \"secret material\"}}"} {
		var out, told bytes.Buffer
		code := Main([]string{"keys", "rotate", "--secret"}, strings.NewReader(input), &out, &told)
		if code != 1 || out.Len() != 0 || !strings.Contains(told.String(), "kubectl get secret") || strings.Contains(told.String(), "material") {
			t.Errorf("%q: exit code %d: %s%s", input, code, out.String(), told.String())
		}
	}
	for _, args := range [][]string{{"keys", "rotate"}, {"keys", "rotate", "--secret", "--dir", t.TempDir()}} {
		if code := Main(args, nil, &bytes.Buffer{}, &bytes.Buffer{}); code != 1 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

// TestKeysTellTheirIDs: audit verify --trusted-key needs the ids, because ids in the database prove nothing.
func TestKeysTellTheirIDs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	known := map[string]bool{}
	told := func(args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := Main(append([]string{"keys"}, args...), nil, &out, &errs); code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
		}
		keys, err := token.LoadKeys(dir)
		testkit.Must(t, err)
		for id := range keys.Public() {
			if !known[id] && !strings.Contains(out.String(), id) {
				t.Errorf("%v does not tell the new key's id: %s", args, out.String())
			}
			known[id] = true
		}
	}
	told("generate", "--dir", dir)
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	testkit.Must(t, err)
	testkit.Must(t, os.Rename(files[0], filepath.Join(dir, "20200101T000000.000000000Z.pem")))
	told("rotate", "--dir", dir)
	if len(known) != 2 {
		t.Errorf("%d keys", len(known))
	}
}
