package main

import (
	"context"
	"fmt"
	"slices"
)

const smallDatabase = "bench_small"

// comparison is what was measured of the same scenario in two places.
type comparison struct {
	name   string
	rounds [2][]outcome
}

// place is one side of a comparison.
type place struct {
	to        target
	scenarios []scenario
}

// measureGrowth compares a small database with the large one, and two doctors in the large one.
func (s *stage) measureGrowth(ctx context.Context, large population, hash string, r *report) (err error) {
	small := newPopulation(s.options.smallPatients)
	if err := s.newDatabase(ctx, smallDatabase, small.tables(hash)); err != nil {
		return err
	}
	var to [2]target
	for i, side := range []target{{database: smallDatabase, population: small}, {database: database, population: large}} {
		if side.server, err = s.startServer(ctx, side.database, ""); err != nil {
			return err
		}
		to[i] = side
	}
	r.growth, err = s.compare(ctx, place{to[0], small.scenarios()}, place{to[1], large.scenarios()}, r)
	if err != nil {
		return err
	}
	u := newUneven(large, s.options.manyRecords)
	r.uneven, err = s.compare(ctx, place{to[1], u.pages(0)}, place{to[1], u.pages(1)}, r)
	return err
}

// compare measures the scenarios that both places have, in turns.
func (s *stage) compare(ctx context.Context, a, b place, r *report) (found []comparison, err error) {
	for _, first := range a.scenarios {
		i := slices.IndexFunc(b.scenarios, func(c scenario) bool { return c.name == first.name })
		if i < 0 || !s.options.only.MatchString(first.name) {
			continue
		}
		s.say("growth: %s", first.name)
		c := comparison{name: first.name}
		for range s.options.rounds {
			for side, one := range []struct {
				to       target
				scenario scenario
			}{{a.to, first}, {b.to, b.scenarios[i]}} {
				o, err := s.send(ctx, one.to, one.scenario, load{connections: fewConnections, seconds: s.options.seconds})
				if err != nil {
					return nil, fmt.Errorf("comparing %s: %w", first.name, err)
				}
				c.rounds[side] = append(c.rounds[side], o)
			}
		}
		r.addFaults(slices.Concat(c.rounds[0], c.rounds[1]))
		found = append(found, c)
		if err := a.to.forgetLog(); err != nil {
			return nil, err
		}
		if err := b.to.forgetLog(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// compareGrid shows two places side by side. The last columns divide the second place's figures by the first's.
func compareGrid(title string, names [2]string, comparisons []comparison) grid {
	g := grid{title: title, header: []string{
		"scenario", names[0] + ": requests/s", names[1] + ": requests/s", "p50 ms", "p99 ms", "ratio of p50", "ratio of p99",
	}}
	for _, c := range comparisons {
		row := []string{c.name}
		for _, o := range c.rounds {
			row = append(row, spreadOf(figures(o, outcome.perSecond)).String())
		}
		var ratios []string
		for _, figure := range []func(outcome) float64{
			func(o outcome) float64 { return milliseconds(o.P50) },
			func(o outcome) float64 { return milliseconds(o.P99) },
		} {
			first, second := medianOf(c.rounds[0], figure), medianOf(c.rounds[1], figure)
			row = append(row, decimal(first, 1)+" → "+decimal(second, 1))
			ratios = append(ratios, decimal(second/first, 2))
		}
		g.rows = append(g.rows, append(row, ratios...))
	}
	return g
}
