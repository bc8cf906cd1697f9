package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/healthrecords/healthrecords/internal/token"
)

const (
	database         = "bench"
	fewConnections   = 16
	manyConnections  = 256
	crowdConnections = 3 * manyConnections
	warmUpSeconds    = 1
)

// measure runs the whole command.
func measure(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	p := newPopulation(o.patients)
	if err := checkSelection(o, p); err != nil {
		return err
	}
	s, err := newStage(ctx, o, stderr)
	defer func() { err = errors.Join(err, s.stop(ctx)) }()
	if err != nil {
		return err
	}
	hash, err := passwordHash(ctx)
	if err != nil {
		return err
	}
	content := [][]table{p.tables(hash)}
	if o.growth {
		content = append(content, newUneven(p, o.manyRecords).tables(hash))
	}
	if err := s.newDatabase(ctx, database, content...); err != nil {
		return err
	}
	r, err := newReport(ctx, s)
	if err != nil {
		return err
	}
	if err := s.measureServer(ctx, p, r); err != nil {
		return err
	}
	if o.growth {
		if err := s.measureGrowth(ctx, p, hash, r); err != nil {
			return err
		}
	}
	if err := r.print(stdout); err != nil {
		return err
	}
	if len(r.faults) > 0 {
		return fmt.Errorf("the server gave wrong answers, so the figures mean nothing; the first ones: %q", r.faults[:min(len(r.faults), mostFaults)])
	}
	if o.write {
		return r.write(o.root)
	}
	return nil
}

// passwordHash returns the hash of the password that all users have, as the server makes it.
func passwordHash(ctx context.Context) (string, error) {
	hasher, err := token.NewHasher(token.HasherOptions{})
	if err != nil {
		return "", fmt.Errorf("setting up the password hasher: %w", err)
	}
	return hasher.Hash(ctx, password)
}

// measurement is what was measured of one scenario.
type measurement struct {
	scenario                    scenario
	closed, crowded, open, over []outcome // rounds with few connections, with many, at a fixed rate, and with too many
	plain                       []float64 // of a second, in each round
	used                        usage     // in the closed rounds
	trips                       float64   // round trips to Postgres for each request
}

// target is a server and the database that it uses.
type target struct {
	*server
	database   string
	population population
}

// measureServer measures everything in one database.
func (s *stage) measureServer(ctx context.Context, p population, r *report) error {
	var selected []scenario
	for _, c := range p.scenarios() {
		if s.options.only.MatchString(c.name) {
			selected = append(selected, c)
		}
	}
	trips, err := s.countTrips(ctx, p, selected, r)
	if err != nil {
		return err
	}
	v, err := s.startOften(ctx, r)
	if err != nil {
		return err
	}
	to := target{server: v, database: database, population: p}
	took := time.Duration(float64(len(selected)*s.options.rounds) * 4 * s.options.seconds * float64(time.Second))
	s.say("scenarios to measure: %d, in at least %s", len(selected), took.Round(time.Second))
	for i, c := range selected {
		s.say("%d/%d %s", i+1, len(selected), c.name)
		m := measurement{scenario: c, trips: trips[c.name]}
		if err := s.rounds(ctx, to, &m, r); err != nil {
			return fmt.Errorf("measuring %s: %w", c.name, err)
		}
		r.measurements = append(r.measurements, m)
	}
	if err := s.overload(ctx, to, r); err != nil {
		return err
	}
	return v.stop(ctx)
}

// startOften starts the server several times, to measure how long that takes and how much memory it needs at first. It returns
// the last one.
func (s *stage) startOften(ctx context.Context, r *report) (v *server, err error) {
	const starts = 5
	for range starts {
		if v != nil {
			if err := v.stop(ctx); err != nil {
				return nil, err
			}
		}
		if v, err = s.startServer(ctx, database, ""); err != nil {
			return nil, err
		}
		r.starts = append(r.starts, v.ready.Seconds()*1000)
	}
	r.idleMemory, err = s.usage.resident(v)
	return v, err
}
