package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const dockerfile = "../../Dockerfile"

// pack returns the files of an archive of two architectures, and its bytes.
func pack(t *testing.T) (files map[string][]byte, whole []byte) {
	t.Helper()
	directory := t.TempDir()
	args := []string{"--dockerfile", dockerfile, "--name", "clinic:1.2.3", "--created", "1796040000", "--label", "key=value"}
	args = append(args, "--output", filepath.Join(directory, "image.tar"))
	for _, arch := range []string{"arm64", "amd64"} {
		path := filepath.Join(directory, arch)
		if err := os.WriteFile(path, []byte("binary for "+arch), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, arch+"="+path)
	}
	if err := run(args); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(directory, "image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	return untar(t, bytes.NewReader(whole)), whole
}

func untar(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil || files[header.Name] != nil {
			t.Fatalf("%s: %v, or it is there twice", header.Name, err)
		}
		files[header.Name] = content
	}
}

func decode[T any](t *testing.T, content []byte) (value T) {
	t.Helper()
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatalf("%v in %q", err, content)
	}
	return value
}

func TestArchiveHoldsAnImageForEachArchitecture(t *testing.T) {
	t.Parallel()
	files, _ := pack(t)
	blob := func(d descriptor) []byte {
		content := files[blobPath(d.Digest)]
		if len(content) != d.Size || digest(content) != d.Digest {
			t.Fatalf("the blob %s has %d bytes with the digest %s", d.Digest, len(content), digest(content))
		}
		return content
	}
	root := decode[index](t, files["index.json"]).Manifests[0]
	images := decode[index](t, blob(root)).Manifests
	if len(images) != 2 || root.Annotations["org.opencontainers.image.ref.name"] != "1.2.3" {
		t.Fatalf("%d images under %v", len(images), root)
	}
	for i, arch := range []string{"amd64", "arm64"} {
		m := decode[manifest](t, blob(images[i]))
		c := decode[config](t, blob(m.Config))
		if images[i].Platform.Architecture != arch || c.Architecture != arch || c.OS != "linux" {
			t.Errorf("image %d is for %v, its configuration for %v", i, images[i].Platform, c.platform)
		}
		want := settings{User: "65532:65532", Entrypoint: []string{"/healthrecords"}, Labels: map[string]string{"key": "value"}}
		if diff := cmp.Diff(want, c.Config); diff != "" {
			t.Error(diff)
		}
		unpacked, err := gzip.NewReader(bytes.NewReader(blob(m.Layers[0])))
		if err != nil {
			t.Fatal(err)
		}
		layer, err := io.ReadAll(unpacked)
		if err != nil || digest(layer) != c.RootFS.DiffIDs[0] {
			t.Errorf("the layer is %s, %v, the configuration says %v", digest(layer), err, c.RootFS.DiffIDs)
		}
		if got := string(untar(t, bytes.NewReader(layer))["healthrecords"]); got != "binary for "+arch {
			t.Errorf("the binary is %q", got)
		}
		load := decode[[]loadable](t, files["manifest.json"])[i]
		if diff := cmp.Diff(loadable{blobPath(m.Config.Digest), []string{"clinic:1.2.3-" + arch}, []string{blobPath(m.Layers[0].Digest)}}, load); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSameInputGivesSameBytes(t *testing.T) {
	t.Parallel()
	_, one := pack(t)
	_, other := pack(t)
	if !bytes.Equal(one, other) {
		t.Error("two archives of the same binaries differ")
	}
}

func TestDockerfileThatMeansMoreIsRefused(t *testing.T) {
	t.Parallel()
	const rest = "USER 1\nENTRYPOINT [\"/a\"]\n"
	for _, content := range []string{
		"FROM debian\nCOPY a /a\n" + rest,
		"FROM scratch\nCOPY a /a\nCOPY b /b\n" + rest,
		"FROM scratch\nCOPY a /a\nENV A=b\n" + rest,
		"FROM scratch\nCOPY a /a\nENTRYPOINT [\"/a\"]\n",
		"FROM scratch\nCOPY a /a\nUSER 1\nENTRYPOINT /a\n",
	} {
		if r, err := parseDockerfile(content); err == nil {
			t.Errorf("%q is read as %v", content, r)
		}
	}
}
