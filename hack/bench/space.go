package main

import (
	"fmt"
	"syscall"
)

// What a population takes on the disk, with its indexes, and what everything else takes: the log of changes of Postgres, the
// audit log, and the access log of a run.
const (
	bytesPerPatient = 40 << 10
	otherBytes      = 6 << 30
)

func neededBytes(patients int) float64 { return float64(patients)*bytesPerPatient + otherBytes }

// checkSpace returns an error if the disk is too small for the patients.
func checkSpace(dir string, patients int) error {
	var space syscall.Statfs_t
	if err := syscall.Statfs(dir, &space); err != nil {
		return fmt.Errorf("looking for free space: %w", err)
	}
	free := float64(space.Bavail) * float64(space.Bsize)
	if needed := neededBytes(patients); free < needed {
		return fmt.Errorf("%d patients need %.1f GiB, but %s has %.1f GiB free; choose another SIZE, or another disk with TMPDIR",
			patients, gibibytes(needed), dir, gibibytes(free))
	}
	return nil
}

func gibibytes(bytes float64) float64 { return bytes / (1 << 30) }
