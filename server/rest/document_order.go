package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"go.yaml.in/yaml/v3"
)

// documentJSON returns the document with its operations in the order of routes, which is the
// order of their use. huma sorts them by path.
func documentJSON(document *huma.OpenAPI) ([]byte, error) {
	printed, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	var paths, methods []string
	for _, r := range routes(&handlers{}) {
		paths, methods = append(paths, r.path), append(methods, strings.ToLower(r.method))
	}
	printed, err = sortMembers(printed, []string{"openapi", "info", "servers", "tags", "paths", "components"}, func(name string, value []byte) ([]byte, error) {
		if name != "paths" {
			return value, nil
		}
		return sortMembers(value, paths, func(_ string, item []byte) ([]byte, error) { return sortMembers(item, methods, nil) })
	})
	if err != nil {
		return nil, fmt.Errorf("sorting the OpenAPI document: %w", err)
	}
	return printed, nil
}

// sortMembers returns a JSON object with its members in the order of names, and those without a
// name there at the end. change, if given, replaces the value of a member.
func sortMembers(object []byte, names []string, change func(string, []byte) ([]byte, error)) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, err
	}
	var sorted bytes.Buffer
	for _, name := range append(slices.Clone(names), slices.Sorted(maps.Keys(members))...) {
		value, is := members[name]
		if !is {
			continue
		}
		delete(members, name)
		if change != nil {
			var err error
			if value, err = change(name, value); err != nil {
				return nil, err
			}
		}
		separator := ","
		if sorted.Len() == 0 {
			separator = "{"
		}
		fmt.Fprintf(&sorted, "%s%q:%s", separator, name, value)
	}
	sorted.WriteString("}")
	return sorted.Bytes(), nil
}

// documentYAML returns the same as documentJSON in YAML.
func documentYAML(document *huma.OpenAPI) ([]byte, error) {
	printed, err := documentJSON(document)
	if err != nil {
		return nil, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(printed, &root); err != nil { // JSON is YAML
		return nil, fmt.Errorf("converting the OpenAPI document to YAML: %w", err)
	}
	useBlockStyle(&root)
	var converted bytes.Buffer
	encoder := yaml.NewEncoder(&converted)
	encoder.SetIndent(2)
	if err := encoder.Encode(&root); err != nil {
		return nil, fmt.Errorf("converting the OpenAPI document to YAML: %w", err)
	}
	return converted.Bytes(), nil
}

// useBlockStyle removes the style of JSON.
func useBlockStyle(node *yaml.Node) {
	node.Style = 0
	for _, child := range node.Content {
		useBlockStyle(child)
	}
}
