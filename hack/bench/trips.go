package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	tripsWarmUp   = 10 // requests that open the connections and prepare the statements
	tripsRequests = 30
)

// countTrips returns how many round trips to Postgres a request of each scenario needs. It starts a server of its own, which
// reaches Postgres through a proxy.
func (s *stage) countTrips(ctx context.Context, p population, scenarios []scenario, r *report) (trips map[string]float64, err error) {
	s.say("counting round trips")
	config, err := pgx.ParseConfig(s.postgres.DSN(database))
	if err != nil {
		return nil, fmt.Errorf("reading the database's URL: %w", err)
	}
	between, err := startProxy(ctx, fmt.Sprintf("%s:%d", config.Host, config.Port))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, between.stop()) }()
	v, err := s.startServer(ctx, database, between.address())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.stop(ctx)) }()
	to := target{server: v, database: database, population: p}
	trips = map[string]float64{}
	for _, c := range scenarios {
		warm, err := s.send(ctx, to, c, load{connections: 1, requests: tripsWarmUp})
		if err != nil {
			return nil, err
		}
		before := between.trips.Load()
		counted, err := s.send(ctx, to, c, load{connections: 1, requests: tripsRequests})
		if err != nil {
			return nil, err
		}
		trips[c.name] = float64(between.trips.Load()-before) / tripsRequests
		r.addFaults([]outcome{warm, counted})
	}
	return trips, nil
}
