package services_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/testkit/services"
)

// TestNobodyReachesEtcdByTheNetwork: it requires no password, and its clients are administrators of the cluster.
func TestNobodyReachesEtcdByTheNetwork(t *testing.T) {
	t.Parallel()
	binaries, err := services.ControlPlaneBinaries("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 25), "control-plane") // longer than the path of a socket can be
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	control, err := services.StartControlPlane(t.Context(), services.ControlPlaneOptions{Binaries: binaries, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := control.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	listening := map[string]int{}
	for _, p := range control.Processes() {
		if listening[p.Name()], err = listeners(p.Pid()); err != nil {
			t.Fatal(err)
		}
	}
	if listening["kube-apiserver"] != 1 || listening["etcd"] != 0 {
		t.Errorf("listening TCP ports: %v, want only the API server's", listening)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the sockets' directory is open to others: %v, %v", info, err)
	}
}

// listeners counts the TCP sockets that a process listens on.
func listeners(pid int) (count int, err error) {
	held := map[string]bool{} // "socket:[inode]"
	descriptors, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(descriptors) == 0 {
		return 0, errors.Join(errors.New("the process has no open files"), err)
	}
	for _, descriptor := range descriptors {
		if target, err := os.Readlink(descriptor); err == nil {
			held[target] = true
		}
	}
	const listen = "0A"
	for _, table := range []string{"tcp", "tcp6"} {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			return 0, err
		}
		for line := range strings.SplitSeq(string(content), "\n") {
			if fields := strings.Fields(line); len(fields) > 9 && fields[3] == listen && held["socket:["+fields[9]+"]"] {
				count++
			}
		}
	}
	return count, nil
}
