package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// recipe is the content of the Dockerfile.
type recipe struct {
	target     string // absolute path of the binary
	user       string
	entrypoint []string
}

// parseDockerfile understands an image from scratch with one file. It refuses everything else, because the archive would
// differ from the image that docker build creates.
func parseDockerfile(content string) (recipe, error) {
	var r recipe
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := r.apply(line); err != nil {
			return recipe{}, fmt.Errorf("%q: %w", line, err)
		}
	}
	if r.target == "" || r.user == "" || len(r.entrypoint) == 0 {
		return recipe{}, errors.New("COPY, USER and ENTRYPOINT are required")
	}
	return r, nil
}

func (r *recipe) apply(line string) error {
	instruction, rest, _ := strings.Cut(line, " ")
	switch instruction {
	case "FROM":
		if rest != "scratch" {
			return errors.New("the image must be FROM scratch")
		}
	case "COPY":
		words := strings.Fields(rest)
		if r.target != "" || len(words) != 2 || !strings.HasPrefix(words[1], "/") {
			return errors.New("the image must have one COPY, of one file to an absolute path")
		}
		r.target = words[1]
	case "USER":
		r.user = rest
	case "ENTRYPOINT":
		return json.Unmarshal([]byte(rest), &r.entrypoint)
	default:
		return errors.New("unknown instruction: hack/ociarchive does not support it")
	}
	return nil
}
