package rest

import (
	"net/http"
	"strings"
)

const (
	apiPrefix       = "/api/"
	versionedPrefix = "/api/v1/"
)

// canonicalPath gives every spelling of a path the one that is routed:
// /api/v1/x, /api/x and /api/x/ are /api/x/. A last segment with a dot is a
// file and gets no slash.
func canonicalPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := *r.URL
		u.Path = canonical(u.Path)
		if u.RawPath != "" {
			u.RawPath = canonical(u.RawPath)
		}
		routed := *r
		routed.URL = &u
		next.ServeHTTP(w, &routed)
	})
}

func canonical(path string) string {
	if rest, ok := strings.CutPrefix(path, versionedPrefix); ok {
		path = apiPrefix + rest
	}
	last := path[strings.LastIndexByte(path, '/')+1:]
	if last != "" && !strings.Contains(last, ".") {
		path += "/"
	}
	return path
}
