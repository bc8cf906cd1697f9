package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

type image struct {
	name     string
	created  time.Time
	labels   map[string]string
	recipe   recipe
	binaries map[string]string // path by architecture
}

// The types below have the fields of the OCI image specification that are used here.

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type settings struct {
	User       string            `json:"User"`
	Entrypoint []string          `json:"Entrypoint"`
	Labels     map[string]string `json:"Labels,omitempty"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type config struct {
	platform
	Created time.Time `json:"created"`
	Config  settings  `json:"config"`
	RootFS  rootFS    `json:"rootfs"`
}

// loadable is one entry of manifest.json, the list that docker load reads.
type loadable struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// write writes the archive.
func (i image) write(w io.Writer) error {
	a := archive{tar: tar.NewWriter(w), created: i.created, seen: map[string]bool{}}
	whole := index{SchemaVersion: 2, MediaType: typeIndex}
	var loadables []loadable
	for _, arch := range slices.Sorted(maps.Keys(i.binaries)) {
		d, l, err := i.writeOne(&a, arch)
		if err != nil {
			return err
		}
		whole.Manifests, loadables = append(whole.Manifests, d), append(loadables, l)
	}
	root, err := a.blobJSON(typeIndex, whole)
	if err != nil {
		return err
	}
	_, tag, _ := strings.Cut(i.name, ":")
	root.Annotations = map[string]string{"org.opencontainers.image.ref.name": tag}
	for _, file := range []struct {
		name    string
		content any
	}{
		{"index.json", index{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{root}}},
		{"manifest.json", loadables},
		{"oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}},
	} {
		if err := a.fileJSON(file.name, file.content); err != nil {
			return err
		}
	}
	return a.tar.Close()
}

// writeOne writes the image of one architecture.
func (i image) writeOne(a *archive, arch string) (descriptor, loadable, error) {
	p := platform{Architecture: arch, OS: "linux"}
	content, diffID, err := i.layer(i.binaries[arch])
	if err != nil {
		return descriptor{}, loadable{}, err
	}
	layer, err := a.blob(typeLayer, content)
	if err != nil {
		return descriptor{}, loadable{}, err
	}
	c, err := a.blobJSON(typeConfig, config{
		platform: p, Created: i.created, RootFS: rootFS{"layers", []string{diffID}},
		Config: settings{User: i.recipe.user, Entrypoint: i.recipe.entrypoint, Labels: i.labels},
	})
	if err != nil {
		return descriptor{}, loadable{}, err
	}
	m, err := a.blobJSON(typeManifest, manifest{SchemaVersion: 2, MediaType: typeManifest, Config: c, Layers: []descriptor{layer}})
	m.Platform = &p
	return m, loadable{blobPath(c.Digest), []string{i.name + "-" + arch}, []string{blobPath(layer.Digest)}}, err
}

// layer returns the compressed layer with the binary, and the digest of the uncompressed layer.
func (i image) layer(path string) (content []byte, diffID string, err error) {
	binary, err := os.ReadFile(path) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, "", err
	}
	var plain, packed bytes.Buffer
	t := tar.NewWriter(&plain)
	header := tar.Header{Name: strings.TrimPrefix(i.recipe.target, "/"), Mode: 0o755, Size: int64(len(binary)), ModTime: i.created}
	if err := addFile(t, header, binary); err != nil {
		return nil, "", err
	}
	if err := t.Close(); err != nil {
		return nil, "", err
	}
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain.Bytes()); err != nil {
		return nil, "", err
	}
	if err := z.Close(); err != nil {
		return nil, "", err
	}
	return packed.Bytes(), digest(plain.Bytes()), nil
}

// archive is the outer tar file.
type archive struct {
	tar     *tar.Writer
	created time.Time
	seen    map[string]bool // the blobs that it contains
}

func (a *archive) blob(mediaType string, content []byte) (descriptor, error) {
	d := descriptor{MediaType: mediaType, Digest: digest(content), Size: len(content)}
	if a.seen[d.Digest] {
		return d, nil
	}
	a.seen[d.Digest] = true
	return d, a.file(blobPath(d.Digest), content)
}

func (a *archive) blobJSON(mediaType string, value any) (descriptor, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return descriptor{}, err
	}
	return a.blob(mediaType, content)
}

func (a *archive) fileJSON(name string, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return a.file(name, content)
}

func (a *archive) file(name string, content []byte) error {
	return addFile(a.tar, tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: a.created}, content)
}

func addFile(t *tar.Writer, header tar.Header, content []byte) error {
	if err := t.WriteHeader(&header); err != nil {
		return err
	}
	_, err := t.Write(content)
	return err
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func blobPath(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }
