package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/procfs"
)

// clockTicks is how many ticks of /proc a second has, on every architecture of Linux that Go supports.
const clockTicks = 100

// usage is what has been used since the start of the processes.
type usage struct {
	server, postgres   float64 // seconds of CPU
	objects, allocated float64 // by the server: number, bytes
}

func (u usage) since(before usage) usage {
	return usage{u.server - before.server, u.postgres - before.postgres, u.objects - before.objects, u.allocated - before.allocated}
}

func (u usage) plus(other usage) usage {
	return usage{u.server + other.server, u.postgres + other.postgres, u.objects + other.objects, u.allocated + other.allocated}
}

// usageReader reads what processes use.
type usageReader struct {
	proc       procfs.FS
	postmaster int
}

func newUsageReader(postmaster int) (*usageReader, error) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, fmt.Errorf("opening /proc: %w", err)
	}
	return &usageReader{proc: proc, postmaster: postmaster}, nil
}

func (r *usageReader) read(ctx context.Context, v *server) (u usage, err error) {
	stat, err := r.stat(v.process.Pid())
	if err != nil {
		return u, err
	}
	u.server = stat.CPUTime()
	if u.postgres, err = r.postgresCPU(); err != nil {
		return u, err
	}
	u.objects, u.allocated, err = v.allocations(ctx)
	return u, err
}

func (r *usageReader) stat(pid int) (procfs.ProcStat, error) {
	p, err := r.proc.Proc(pid)
	if err != nil {
		return procfs.ProcStat{}, fmt.Errorf("finding process %d: %w", pid, err)
	}
	stat, err := p.Stat()
	if err != nil {
		return procfs.ProcStat{}, fmt.Errorf("reading what process %d uses: %w", pid, err)
	}
	return stat, nil
}

// postgresCPU is the time of the postmaster, of its children, and of those of its children that have ended.
func (r *usageReader) postgresCPU() (float64, error) {
	postmaster, err := r.stat(r.postmaster)
	if err != nil {
		return 0, err
	}
	total := postmaster.CPUTime() + float64(postmaster.CUTime+postmaster.CSTime)/clockTicks
	all, err := r.proc.AllProcs()
	if err != nil {
		return 0, fmt.Errorf("listing processes: %w", err)
	}
	for _, p := range all {
		if stat, err := p.Stat(); err == nil && stat.PPID == r.postmaster { // others may end meanwhile
			total += stat.CPUTime()
		}
	}
	return total, nil
}

// resident returns the memory that a process uses now, in bytes.
func (r *usageReader) resident(v *server) (int, error) {
	stat, err := r.stat(v.process.Pid())
	return stat.ResidentMemory(), err
}

// allocations reads how many objects and bytes the server has allocated.
func (v *server) allocations(ctx context.Context) (objects, bytes float64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.admin+"/metrics", http.NoBody)
	if err != nil {
		return 0, 0, fmt.Errorf("asking for the metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, fmt.Errorf("reading the metrics: %w", err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return 0, 0, fmt.Errorf("reading the metrics: %w", err)
	}
	for name, figure := range map[string]*float64{"go_memstats_mallocs_total": &objects, "go_memstats_alloc_bytes_total": &bytes} {
		metrics := families[name].GetMetric()
		if len(metrics) != 1 {
			return 0, 0, errors.New("the server has no metric " + name)
		}
		*figure = metrics[0].GetCounter().GetValue()
	}
	return objects, bytes, nil
}
