package web

import (
	"strings"
	"testing"
)

// FuzzPath makes any path canonical. Doing so twice must not change it again.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"", "/", "/health", "/api/v1/", "/api/v1/api/v1/x", "/api/v1//", "//", "/a.b", "/\x00", "/api/health-records/1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		once := canonical(path)
		if strings.HasPrefix(once, versionedPrefix) { // /api/v1/v1/…: another path, which does not exist
			return
		}
		if again := canonical(once); again != once {
			t.Errorf("%q becomes %q, and that %q", path, once, again)
		}
	})
}

// FuzzRequestID sends any request id. An accepted one appears in the log and in every answer.
func FuzzRequestID(f *testing.F) {
	for _, seed := range []string{"", "a", "0f8c2a51-7b1e-4f3c-9a55-2f1c7b8f3d10", "a\r\nSet-Cookie: a=b", "a b", "é", strings.Repeat("a", 65)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if saneRequestID(id) && (len(id) > 64 || strings.ContainsAny(id, "\r\n \t\"<>\\;,") || strings.ToValidUTF8(id, "") != id) {
			t.Errorf("%q is taken for sane", id)
		}
	})
}
