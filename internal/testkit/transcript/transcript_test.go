package transcript_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/testkit/transcript"
)

const page = "# A page\n\n```sh\nname=world\ngreet() { echo \"hello $1\"; }\n```\n\nText with $ signs.\n\n" +
	"```console\n$ greet $name\nhello world\n$ cat <<EOF\n> two\n> lines\n> EOF\ntwo\nlines\n$ greet nobody >/dev/null\n```\n\n```yaml\n$ not: a command\n```\n"

func TestParse(t *testing.T) {
	t.Parallel()
	want := []transcript.Step{
		{Line: 4, Command: "name=world\ngreet() { echo \"hello $1\"; }\n", Silent: true},
		{Line: 11, Command: "greet $name\n", Output: "hello world\n"},
		{Line: 13, Command: "cat <<EOF\ntwo\nlines\nEOF\n", Output: "two\nlines\n"},
		{Line: 19, Command: "greet nobody >/dev/null\n"},
	}
	if diff := cmp.Diff(want, transcript.Parse(page)); diff != "" {
		t.Errorf("wanted (-) and got (+) differ:\n%s", diff)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	transcript.Run(t, t.TempDir(), os.Environ(), transcript.Parse(page))
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	const one = "NAME   AGE\nobject 5s\nat 2030-01-31T08:00:00Z by 01234567-89ab-cdef-0123-456789abcdef\n\n"
	const other = "NAME AGE   \nobject   2m10s\nat 2026-11-30T00:00:01.123Z by aaaaaaaa-89ab-cdef-0123-456789abcdef\n"
	if transcript.Normalize(one) != transcript.Normalize(other) {
		t.Errorf("%q and %q differ", transcript.Normalize(one), transcript.Normalize(other))
	}
	if transcript.Normalize("ready 1") == transcript.Normalize("ready 2") {
		t.Error("numbers are not compared")
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "page.md")
	stale := strings.Replace(page, "hello world\n", "hello\nsomebody\nelse\n", 1)
	if err := os.WriteFile(path, []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	transcript.Record(t, t.TempDir(), os.Environ(), path)
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(page, string(got)); diff != "" {
		t.Errorf("wanted (-) and got (+) differ:\n%s", diff)
	}
}
