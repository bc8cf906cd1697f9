package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
)

const plainClients = 16

//go:embed plain/*.sql
var plainStatements embed.FS

// runPlain has pgbench run the scenario's plain statement as the owner of the database: without identity, policies or audit. It
// returns how many were done in a second.
func (s *stage) runPlain(ctx context.Context, database string, c scenario) (perSecond float64, err error) {
	config, err := pgx.ParseConfig(s.postgres.DSN(database))
	if err != nil {
		return 0, fmt.Errorf("reading the database's URL: %w", err)
	}
	file := filepath.Join(s.dir, "plain", c.plain+".sql")
	args := []string{
		"--protocol=prepared", "--no-vacuum", "--client=" + strconv.Itoa(plainClients), "--jobs=2", "--file=" + file,
		fmt.Sprintf("--time=%d", max(1, int(s.options.seconds))),
	}
	for name, value := range c.values {
		args = append(args, fmt.Sprintf("--define=%s=%d", name, value))
	}
	command := exec.CommandContext(ctx, s.postgres.Program("pgbench"), args...) //nolint:gosec // beside Postgres itself
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "PGHOST=" + config.Host, "PGPORT=" + strconv.Itoa(int(config.Port)), "PGUSER=" + config.User,
		"PGPASSWORD=" + config.Password, "PGDATABASE=" + config.Database,
	}
	output, err := command.CombinedOutput()
	if err != nil {
		first, _, _ := bytes.Cut(output, []byte("\n")) // each client repeats it
		return 0, fmt.Errorf("running pgbench with %s: %w: %s", c.plain, err, first)
	}
	found := regexp.MustCompile(`tps = ([0-9.]+)`).FindSubmatch(output)
	if found == nil {
		return 0, fmt.Errorf("pgbench did not say how fast %s is:\n%s", c.plain, output)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
