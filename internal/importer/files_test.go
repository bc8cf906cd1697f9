package importer

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBundleFilesAreSortedAndNotHidden(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"b.json", "a.JSON", "c.txt", "sub/d.json", ".hidden.json", ".git/e.json"} {
		write(t, filepath.Join(folder, name), "")
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe.json"), 0o600); err != nil { // nobody writes to it
		t.Fatal(err)
	}
	named := filepath.Join(folder, "c.txt")
	got, err := Files([]string{named, folder, "-"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		named, filepath.Join(folder, "a.JSON"), filepath.Join(folder, "b.json"), filepath.Join(folder, "sub", "d.json"), "-",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFileNamesCannotCommandATerminal(t *testing.T) {
	t.Parallel()
	if got := printable("a\x1b[2Jb.json"); strings.Contains(got, "\x1b") {
		t.Errorf("printed as %q", got)
	}
	if got := printable("José.json"); got != "José.json" {
		t.Errorf("printed as %q", got)
	}
}
