package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// The preferred ports. If one is in use, another is chosen.
const (
	postgresPort     = 15432
	redisPort        = 16379
	controlPlanePort = 16443
)

const database = "healthrecords"

func (r *runner) startPostgres(ctx context.Context) error {
	dir, err := r.postgresDir()
	if err != nil {
		return err
	}
	port, err := r.port(ctx, postgresPort)
	if err != nil {
		return err
	}
	log, err := r.logFile("postgres")
	if err != nil {
		return err
	}
	r.postgres, err = services.StartPostgres(ctx, services.PostgresOptions{Dir: dir, Port: port, Durable: true, Output: log})
	if err != nil {
		return err
	}
	r.atStop("Postgres", r.postgres.Stop)
	r.watch(r.postgres.Process())
	return r.postgres.EnsureDatabase(ctx, database)
}

func (r *runner) startRedis(ctx context.Context) error {
	port, err := r.port(ctx, redisPort)
	if err != nil {
		return err
	}
	log, err := r.logFile("redis")
	if err != nil {
		return err
	}
	r.redis, err = services.StartRedis(ctx, services.RedisOptions{Dir: filepath.Join(r.state, "redis"), Port: port, Output: log})
	if err != nil {
		return err
	}
	r.atStop("Redis", r.redis.Stop)
	r.watch(r.redis.Process())
	return nil
}

func (r *runner) startControlPlane(ctx context.Context) error {
	binaries, err := services.ControlPlaneBinaries(r.root)
	if err != nil {
		return err
	}
	port, err := r.port(ctx, controlPlanePort)
	if err != nil {
		return err
	}
	log, err := r.logFile("control-plane")
	if err != nil {
		return err
	}
	r.control, err = services.StartControlPlane(ctx, services.ControlPlaneOptions{
		Binaries: binaries, Dir: filepath.Join(r.state, "control-plane"), Port: port, Durable: true, Output: log,
	})
	if err != nil {
		return err
	}
	r.atStop("the Kubernetes API server", r.control.Stop)
	for _, p := range r.control.Processes() {
		r.watch(p)
	}
	return r.control.WriteKubeconfig(r.kubeconfig())
}

func (r *runner) kubeconfig() string { return filepath.Join(r.state, "kubeconfig") }

func (r *runner) installResources(ctx context.Context) error {
	if err := r.control.InstallCRDs(filepath.Join(r.root, "config/crd/bases")); err != nil {
		return fmt.Errorf("installing what config/crd/bases defines: %w", err)
	}
	policy := filepath.Join(r.root, "config/policies/stamp")
	//nolint:gosec // the system's kubectl
	if output, err := exec.CommandContext(ctx, r.kubectl(), "--kubeconfig", r.kubeconfig(), "apply", "--kustomize", policy).CombinedOutput(); err != nil {
		return fmt.Errorf("installing the policy of config/policies/stamp: %w: %s", err, output)
	}
	return nil
}
