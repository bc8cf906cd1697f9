package chart

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

type object = map[string]any

// writeSwagger writes a schema for each kind of a Kubernetes version, with the definitions that it refers to.
func writeSwagger(t *testing.T, directory, spec string) {
	t.Helper()
	var swagger struct {
		Definitions map[string]object `json:"definitions"`
	}
	content, err := os.ReadFile(spec)
	if err == nil {
		err = json.Unmarshal(content, &swagger)
	}
	if err != nil {
		t.Fatalf("reading Kubernetes' OpenAPI document: %v", err)
	}
	for name, definition := range swagger.Definitions {
		swagger.Definitions[name] = strictDefinition(name, definition)
	}
	for name, definition := range swagger.Definitions {
		var kinds []schema.GroupVersionKind
		if err := json.Unmarshal(mustJSON(t, definition["x-kubernetes-group-version-kind"]), &kinds); err != nil {
			t.Fatal(err)
		}
		for _, kind := range kinds {
			needed := map[string]object{}
			collect(swagger.Definitions, name, needed)
			writeSchema(t, directory, kind, object{"$ref": "#/definitions/" + name, "definitions": needed})
		}
	}
}

// strictDefinition returns the definition as the API server reads it: without unknown fields.
func strictDefinition(name string, definition object) object {
	switch name {
	case "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity":
		return object{"type": []string{"string", "number"}}
	}
	return strict(definition)
}

// strict forbids fields that a schema does not name. It removes formats, because validators know only some of them.
func strict(definition object) object {
	closed := maps.Clone(definition)
	delete(closed, "format")
	delete(closed, "description")
	if properties, ok := closed["properties"].(object); ok {
		fields := object{}
		for name, property := range properties {
			if property, ok := property.(object); ok {
				fields[name] = strict(property)
			}
		}
		closed["properties"] = fields
		if closed["additionalProperties"] == nil && closed["x-kubernetes-preserve-unknown-fields"] == nil {
			closed["additionalProperties"] = false
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if inner, ok := closed[key].(object); ok {
			closed[key] = strict(inner)
		}
	}
	return closed
}

// collect adds the definition and all definitions that it refers to.
func collect(all map[string]object, name string, into map[string]object) {
	if into[name] != nil {
		return
	}
	into[name] = all[name]
	var follow func(any)
	follow = func(value any) {
		switch value := value.(type) {
		case object:
			if ref, ok := value["$ref"].(string); ok {
				collect(all, strings.TrimPrefix(ref, "#/definitions/"), into)
			}
			for _, inner := range value {
				follow(inner)
			}
		case []any:
			for _, inner := range value {
				follow(inner)
			}
		}
	}
	follow(all[name])
}

// writeCRD writes a schema for each version of a CustomResourceDefinition.
func writeCRD(t *testing.T, directory, file string) {
	t.Helper()
	var crd struct {
		Kind string `json:"kind"`
		Spec struct {
			Group    string                `json:"group"`
			Names    struct{ Kind string } `json:"names"`
			Versions []struct {
				Name   string `json:"name"`
				Schema struct {
					OpenAPIV3Schema object `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	content, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(content, &crd)
	}
	if err != nil {
		t.Fatalf("reading %s: %v", file, err)
	}
	if crd.Kind != "CustomResourceDefinition" {
		return
	}
	for _, version := range crd.Spec.Versions {
		kind := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}
		writeSchema(t, directory, kind, strict(version.Schema.OpenAPIV3Schema))
	}
}

// writeSchema writes a file under the name that kubeconform expects.
func writeSchema(t *testing.T, directory string, kind schema.GroupVersionKind, content object) {
	t.Helper()
	group := kind.Group
	if group == "" {
		group = kind.Version // kubeconform's group of the core API
	}
	path := filepath.Join(directory, group, strings.ToLower(kind.Kind)+"-"+kind.Version+".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, mustJSON(t, content))
}

// keysOf returns the sorted keys of an object.
func keysOf(o object) []string { return slices.Sorted(maps.Keys(o)) }

func mustJSON(t *testing.T, value any) []byte {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
