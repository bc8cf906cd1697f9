package main

import (
	"context"
	"slices"
)

// rounds measures a scenario in turns with its plain statement, so that both meet the same disturbances of the machine.
func (s *stage) rounds(ctx context.Context, to target, m *measurement, r *report) error {
	warmUp := load{connections: fewConnections, seconds: min(warmUpSeconds, s.options.seconds)}
	if _, err := s.send(ctx, to, m.scenario, warmUp); err != nil {
		return err
	}
	for range s.options.rounds {
		for _, step := range []func(context.Context, target, *measurement) error{s.closedRound, s.openRound, s.crowdedRound, s.plainRound} {
			if err := step(ctx, to, m); err != nil {
				return err
			}
		}
		memory, err := s.usage.resident(to.server)
		if err != nil {
			return err
		}
		r.crowdMemory = max(r.crowdMemory, memory)
	}
	r.addFaults(slices.Concat(m.closed, m.open, m.crowded))
	return to.forgetLog()
}

// closedRound also measures what the requests use.
func (s *stage) closedRound(ctx context.Context, to target, m *measurement) error {
	before, err := s.usage.read(ctx, to.server)
	if err != nil {
		return err
	}
	o, err := s.send(ctx, to, m.scenario, load{connections: fewConnections, seconds: s.options.seconds})
	if err != nil {
		return err
	}
	after, err := s.usage.read(ctx, to.server)
	m.closed, m.used = append(m.closed, o), m.used.plus(after.since(before))
	return err
}

// openRound has the same rate in each round.
func (s *stage) openRound(ctx context.Context, to target, m *measurement) error {
	rate := max(1, m.closed[0].perSecond()/2)
	o, err := s.send(ctx, to, m.scenario, load{connections: manyConnections, seconds: s.options.seconds, rate: rate})
	m.open = append(m.open, o)
	return err
}

func (s *stage) crowdedRound(ctx context.Context, to target, m *measurement) error {
	o, err := s.send(ctx, to, m.scenario, load{connections: manyConnections, seconds: s.options.seconds})
	m.crowded = append(m.crowded, o)
	return err
}

func (s *stage) plainRound(ctx context.Context, to target, m *measurement) error {
	if m.scenario.plain == "" {
		return nil
	}
	perSecond, err := s.runPlain(ctx, to.database, m.scenario)
	m.plain = append(m.plain, perSecond)
	return err
}

func overloaded(p population) scenario {
	c := p.mix()
	c.name = "overload: " + c.name
	return c
}

// overload sends the mix through more connections than the server serves at once.
func (s *stage) overload(ctx context.Context, to target, r *report) error {
	c := overloaded(to.population)
	if !s.options.only.MatchString(c.name) {
		return nil
	}
	s.say("overload")
	m := measurement{scenario: c}
	for range s.options.rounds {
		if err := s.crowdedRound(ctx, to, &m); err != nil {
			return err
		}
		over, err := s.send(ctx, to, c, load{connections: crowdConnections, seconds: s.options.seconds})
		if err != nil {
			return err
		}
		m.over = append(m.over, over)
	}
	r.addFaults(slices.Concat(m.crowded, m.over))
	r.measurements = append(r.measurements, m)
	return to.forgetLog()
}

// load is how much is sent at once.
type load struct {
	connections   int
	seconds, rate float64
	requests      int64
}

// send has the load generator send a scenario's requests.
func (s *stage) send(ctx context.Context, to target, c scenario, l load) (outcome, error) {
	j := job{
		Address: to.address, Groups: c.groups, Connections: l.connections, Seconds: l.seconds, Rate: l.rate, Requests: l.requests,
		Chained: c.chained,
	}
	for _, caller := range c.callers {
		signed, err := s.signer.Issue(caller)
		if err != nil {
			return outcome{}, err
		}
		j.Tokens = append(j.Tokens, signed)
	}
	if c.chained {
		tokens, err := s.newSessions(ctx, to, l.connections)
		if err != nil {
			return outcome{}, err
		}
		j.Groups = []group{{Weight: 1, Calls: refreshes(tokens).calls}}
	}
	if err := ctx.Err(); err != nil {
		return outcome{}, err
	}
	return s.generator.run(j)
}
