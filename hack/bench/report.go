package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// report is everything that was measured.
type report struct {
	stage        *stage
	machine      machine
	measurements []measurement
	growth       []comparison
	uneven       []comparison
	starts       []float64 // ms from the start to /readyz
	idleMemory   int       // bytes
	crowdMemory  int
	faults       []string
}

func newReport(ctx context.Context, s *stage) (*report, error) {
	m, err := s.describeMachine(ctx)
	return &report{stage: s, machine: m}, err
}

// addFaults notes wrong answers. What the server refused is none.
func (r *report) addFaults(outcomes []outcome) {
	for _, o := range outcomes {
		r.faults = append(r.faults, o.Faults...)
	}
}

// grid is a table of the report.
type grid struct {
	name   string // in the document's template
	title  string
	header []string
	rows   [][]string
}

func (r *report) grids() []grid {
	grids := []grid{r.costs(), r.latencies(), r.process()}
	if len(r.growth) > 0 {
		names := [2]string{grouped(r.stage.options.smallPatients) + " patients", grouped(r.stage.options.patients) + " patients"}
		growth := compareGrid("Growth of the database", names, r.growth)
		names = [2]string{grouped(fewRecords) + " records", grouped(r.stage.options.manyRecords) + " records"}
		uneven := compareGrid(fmt.Sprintf("A doctor of %d patients with few or many records each", unevenPanel), names, r.uneven)
		growth.name, uneven.name = "growth", "uneven"
		grids = append(grids, growth, uneven)
	}
	return grids
}

// costs compares each scenario with its plain statement.
func (r *report) costs() grid {
	g := grid{name: "costs", title: fmt.Sprintf("Throughput and costs with %d connections", fewConnections), header: []string{
		"scenario", "requests/s", "plain/s", "ratio", "server CPU ms", "Postgres CPU ms", "client CPU ms", "objects", "KiB", "round trips",
	}}
	for _, m := range r.measurements {
		if len(m.closed) == 0 {
			continue
		}
		requests, cpu := 0.0, 0.0
		for _, o := range m.closed {
			requests += float64(o.Right + o.Refused + o.Wrong)
			cpu += o.CPU
		}
		each := func(total float64, decimals int) string { return decimal(total/max(1, requests), decimals) }
		product, plain, ratio := spreadOf(figures(m.closed, outcome.perSecond)), "", ""
		if len(m.plain) > 0 {
			p := spreadOf(m.plain)
			plain, ratio = p.String(), decimal(product.median/p.median, 2)
		}
		g.rows = append(g.rows, []string{
			m.scenario.name, product.String(), plain, ratio, each(m.used.server*1000, 2), each(m.used.postgres*1000, 2), each(cpu*1000, 2),
			each(m.used.objects, 0), each(m.used.allocated/1024, 0), decimal(m.trips, 1),
		})
	}
	return g
}

// latencies has one row for each way in which a scenario was sent.
func (r *report) latencies() grid {
	g := grid{name: "latencies", title: "Latencies", header: []string{"scenario", "load", "requests/s", "p50 ms", "p99 ms", "refused/s", "wrong"}}
	for _, m := range r.measurements {
		for _, way := range []struct {
			name     string
			outcomes []outcome
		}{
			{fmt.Sprintf("%d connections", fewConnections), m.closed},
			{"fixed rate", m.open},
			{fmt.Sprintf("%d connections", manyConnections), m.crowded},
			{fmt.Sprintf("%d connections", crowdConnections), m.over},
		} {
			if len(way.outcomes) == 0 {
				continue
			}
			wrong := 0
			for _, o := range way.outcomes {
				wrong += o.Wrong
			}
			g.rows = append(g.rows, []string{
				m.scenario.name, way.name, spreadOf(figures(way.outcomes, outcome.perSecond)).String(),
				decimal(medianOf(way.outcomes, func(o outcome) float64 { return milliseconds(o.P50) }), 1),
				decimal(medianOf(way.outcomes, func(o outcome) float64 { return milliseconds(o.P99) }), 1),
				decimal(medianOf(way.outcomes, func(o outcome) float64 { return float64(o.Refused) / o.Seconds }), 0), strconv.Itoa(wrong),
			})
		}
	}
	return g
}

func (r *report) process() grid {
	starts := spreadOf(r.starts)
	g := grid{name: "process", title: "The server's process", header: []string{"what", "figure"}, rows: [][]string{
		{"from its start until it is ready, ms", starts.String()},
		{"resident memory after the start, MiB", decimal(float64(r.idleMemory)/(1<<20), 0)},
	}}
	if r.crowdMemory > 0 { // if only the overload is measured, the memory is not
		most := fmt.Sprintf("most resident memory with %d connections, MiB", manyConnections)
		g.rows = append(g.rows, []string{most, decimal(float64(r.crowdMemory)/(1<<20), 0)})
	}
	return g
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func decimal(value float64, decimals int) string {
	return strconv.FormatFloat(value, 'f', decimals, 64)
}

// String is the median with the least and the most.
func (s spread) String() string {
	return fmt.Sprintf("%s (%s-%s)", grouped(int(s.median+0.5)), grouped(int(s.least+0.5)), grouped(int(s.most+0.5)))
}

// grouped writes a number with a comma between groups of three digits.
func grouped(value int) string {
	digits := strconv.Itoa(value)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// print writes the tables for a terminal.
func (r *report) print(out io.Writer) error {
	var text strings.Builder
	for _, line := range r.machine.lines() {
		fmt.Fprintf(&text, "%s: %s\n", line[0], line[1])
	}
	for _, g := range r.grids() {
		fmt.Fprintf(&text, "\n%s\n\n", g.title)
		writeAligned(&text, g)
	}
	_, err := io.WriteString(out, text.String())
	return err
}
