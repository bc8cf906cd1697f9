// Command metricnames reads alert rules (*.yaml) and Grafana dashboards (*.json) with Prometheus' own parsers, fails on
// anything that Prometheus would refuse, and prints the names of the metrics that they query, one per line.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	names := map[string]bool{}
	var faults []error
	for _, file := range os.Args[1:] {
		expressions, err := read(file)
		faults = append(faults, err)
		for _, expression := range expressions {
			if err := collect(expression, names); err != nil {
				faults = append(faults, fmt.Errorf("%s: %s: %w", file, expression, err))
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(strings.Join(slices.Sorted(maps.Keys(names)), "\n"))
}

func read(file string) ([]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if filepath.Ext(file) == ".json" {
		return dashboard(file, content)
	}
	groups, faults := rulefmt.Parse(content, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	var expressions []string
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			expressions = append(expressions, rule.Expr)
		}
	}
	return expressions, nil
}

func dashboard(file string, content []byte) ([]string, error) {
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(content, &board); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var expressions []string
	for _, panel := range board.Panels {
		if len(panel.Targets) == 0 {
			return nil, fmt.Errorf("%s: the panel %q asks for nothing", file, panel.Title)
		}
		for _, target := range panel.Targets {
			// Grafana inserts a duration there.
			expressions = append(expressions, strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
		}
	}
	return expressions, nil
}

// collect adds the metrics that an expression queries.
func collect(expression string, names map[string]bool) error {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		return err
	}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			names[selector.Name] = true
		}
		return nil
	})
	return nil
}
