// Command ociarchive packs one static binary per architecture into an image for all of them, as an archive with an OCI image
// layout. It needs no Docker, and the same input gives the same bytes. docker load also reads the archive, as one image per
// architecture, NAME:TAG-ARCH. skopeo copy --all copies all of them to a registry under one name.
//
//	ociarchive --dockerfile FILE --name NAME:TAG --created SECONDS [--label KEY=VALUE]... --output FILE ARCH=BINARY...
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ociarchive:", err)
		os.Exit(1)
	}
}

// pairs are KEY=VALUE arguments.
type pairs map[string]string

// String implements flag.Value.
func (p pairs) String() string { return fmt.Sprint(map[string]string(p)) }

// Set implements flag.Value.
func (p pairs) Set(s string) error {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" || value == "" {
		return fmt.Errorf("%q is not KEY=VALUE", s)
	}
	p[key] = value
	return nil
}

func run(args []string) error {
	flags := flag.NewFlagSet("ociarchive", flag.ContinueOnError)
	dockerfile := flags.String("dockerfile", "Dockerfile", "the Dockerfile that describes the image")
	name := flags.String("name", "", "NAME:TAG")
	created := flags.Int64("created", 0, "time of the sources' commit, in Unix time")
	output := flags.String("output", "", "the archive")
	labels, binaries := pairs{}, pairs{}
	flags.Var(labels, "label", "label of the image, KEY=VALUE")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, arg := range flags.Args() {
		if err := binaries.Set(arg); err != nil {
			return err
		}
	}
	if *name == "" || *output == "" || len(binaries) == 0 {
		return errors.New("--name, --output and ARCH=BINARY are required")
	}
	description, err := os.ReadFile(*dockerfile)
	if err != nil {
		return err
	}
	recipe, err := parseDockerfile(string(description))
	if err != nil {
		return fmt.Errorf("reading %s: %w", *dockerfile, err)
	}
	i := image{name: *name, created: time.Unix(*created, 0).UTC(), labels: labels, recipe: recipe, binaries: binaries}
	return writeFile(*output, i.write)
}

// writeFile writes the complete file or none.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".ociarchive")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // fails after the file has been renamed
	if err := write(file); err != nil {
		_ = file.Close()
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Chmod(file.Name(), 0o644); err != nil { //nolint:gosec // G302: everybody may read a release
		return err
	}
	return os.Rename(file.Name(), path)
}
