package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/jackc/pgx/v5"
)

// machine is what the figures depend on beside the program.
type machine struct {
	version, golang, postgres string
	cores                     int
	processor                 string
	memory                    float64 // GiB
	size, rounds, settings    string
	postgresSettings          string
}

func (s *stage) describeMachine(ctx context.Context) (m machine, err error) {
	build, err := buildinfo.ReadFile(s.options.binary)
	if err != nil {
		return m, fmt.Errorf("reading how the program was built: %w", err)
	}
	m.golang, m.cores = build.GoVersion, runtime.NumCPU()
	output, err := exec.CommandContext(ctx, s.options.binary, "--version").Output() //nolint:gosec // the program to measure
	if err != nil {
		return m, fmt.Errorf("asking the program for its version: %w", err)
	}
	m.version = strings.TrimSpace(string(output)) // make build puts the commit into it
	if m.processor, m.memory, err = s.usage.hardware(); err != nil {
		return m, err
	}
	m.size = fmt.Sprintf("%s patients with about %s records and %s comments", grouped(s.options.patients),
		grouped(s.options.patients*averageVisits), grouped(s.options.patients*averageVisits*averageComment))
	m.rounds = fmt.Sprintf("%d of %g s", s.options.rounds, s.options.seconds)
	m.settings = strings.Join(append(serverSettings(), s.options.settings...), " ")
	connection, err := pgx.Connect(ctx, s.postgres.DSN(database))
	if err != nil {
		return m, fmt.Errorf("connecting: %w", err)
	}
	defer connection.Close(context.WithoutCancel(ctx))
	if err := connection.QueryRow(ctx, "SHOW server_version").Scan(&m.postgres); err != nil {
		return m, fmt.Errorf("asking for Postgres' version: %w", err)
	}
	var shown []string
	for _, name := range []string{"shared_buffers", "max_wal_size", "fsync", "synchronous_commit", "full_page_writes", "max_connections", "work_mem"} {
		var value string
		if err := connection.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value); err != nil {
			return m, fmt.Errorf("asking for %s: %w", name, err)
		}
		shown = append(shown, name+"="+value)
	}
	m.postgresSettings = strings.Join(shown, " ")
	return m, nil
}

// hardware returns the processor's model and the memory in GiB.
func (r *usageReader) hardware() (processor string, memory float64, err error) {
	processors, err := r.proc.CPUInfo()
	if err != nil {
		return "", 0, fmt.Errorf("reading the processor's model: %w", err)
	}
	info, err := r.proc.Meminfo()
	if err != nil || info.MemTotalBytes == nil {
		return "", 0, fmt.Errorf("reading how much memory there is: %w", err)
	}
	processor = "unknown"
	if len(processors) > 0 && processors[0].ModelName != "" {
		processor = processors[0].ModelName
	}
	return processor, float64(*info.MemTotalBytes) / (1 << 30), nil
}

// lines describe the machine and the run.
func (m machine) lines() [][2]string {
	return [][2]string{
		{"program", m.version},
		{"machine", fmt.Sprintf("%d cores, %s, %.0f GiB of memory", m.cores, m.processor, m.memory)},
		{"versions", m.golang + ", Postgres " + m.postgres},
		{"data", m.size},
		{"rounds", m.rounds},
		{"server", m.settings},
		{"Postgres", m.postgresSettings},
	}
}
