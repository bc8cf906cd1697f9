// Command errorcodes prints docs/errors.md: the codes of errors, as listed in api/openapi.yaml.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

const path = "api/openapi.yaml"

const head = `# Error codes

` + "`make generate`" + ` generates this page from ` + "`server/internal/web/codes.go`" + `. The OpenAPI document has the same list, as
` + "`x-codes`" + ` of ` + "`Problem.code`" + `.

Every error is a problem document (RFC 9457, ` + "`application/problem+json`" + `). Programs decide by ` + "`code`" + `, which does not change.
` + "`detail`" + ` is for people and may change. New codes may be added: treat an unknown one by its status. ` + "`errors`" + ` names the wrong
fields and parameters, and ` + "`request_id`" + ` finds the request in the server's log.

| status | code | meaning | what to do |
|---|---|---|---|
`

func main() {
	codes, err := read()
	if err != nil {
		fmt.Fprintln(os.Stderr, "errorcodes:", err)
		os.Exit(1)
	}
	fmt.Print(head)
	for _, c := range codes {
		statuses := strings.Trim(strings.ReplaceAll(fmt.Sprint(c.Statuses), " ", ", "), "[]")
		fmt.Printf("| %s | `%s` | %s | %s |\n", statuses, c.Code, c.Meaning, c.Remedy)
	}
}

type errorCode struct {
	Code            string
	Statuses        []int
	Meaning, Remedy string
}

func read() ([]errorCode, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var document struct {
		Components struct {
			Schemas struct {
				Problem struct {
					Properties struct {
						Code struct {
							Codes []errorCode `yaml:"x-codes"`
						}
					}
				} `yaml:"Problem"`
			}
		}
	}
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	codes := document.Components.Schemas.Problem.Properties.Code.Codes
	if len(codes) == 0 {
		return nil, errors.New(path + " lists no codes")
	}
	return codes, nil
}
