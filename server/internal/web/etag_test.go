package web

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

func TestParseTags(t *testing.T) {
	t.Parallel()
	type result struct {
		Tags    []entityTag
		All, OK bool
	}
	for header, want := range map[string]result{
		`*`:                   {All: true, OK: true},
		` * `:                 {All: true, OK: true},
		`"3-1"`:               {Tags: []entityTag{{opaque: "3-1"}}, OK: true},
		`W/"3-1"`:             {Tags: []entityTag{{weak: true, opaque: "3-1"}}, OK: true},
		`"3-1", W/"x" ,"a,b"`: {Tags: []entityTag{{opaque: "3-1"}, {weak: true, opaque: "x"}, {opaque: "a,b"}}, OK: true},
		`""`:                  {Tags: []entityTag{{}}, OK: true},
		``:                    {},
		`3-1`:                 {},
		`"3-1`:                {},
		`w/"3-1"`:             {},
		`"3-1" "4-1"`:         {},
		`"3-1",`:              {},
		`*, "3-1"`:            {},
	} {
		var got result
		got.Tags, got.All, got.OK = parseTags(header)
		if !got.OK {
			got.Tags = nil
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(entityTag{})); diff != "" {
			t.Errorf("parseTags(%q) (-want +got)\n%s", header, diff)
		}
	}
}

func FuzzParseTags(f *testing.F) {
	f.Add(`"3-1", W/"x"`)
	f.Add(`*`)
	f.Add(`"`)
	f.Fuzz(func(t *testing.T, header string) {
		tags, all, ok := parseTags(header)
		if ok && !all && len(tags) == 0 {
			t.Errorf("parseTags(%q) found neither a tag nor a fault", header)
		}
	})
}

func TestRevisionsAreThoseThatAnETagNames(t *testing.T) {
	t.Parallel()
	now := clinic.Revision{Version: 3, Comments: 1}
	for header, want := range map[string][]clinic.Revision{
		ETag(now):                  {now},
		`"4-0", ` + ETag(now):      {{Version: 4}, now},
		`W/` + ETag(now):           nil,
		`"03-1", "3-1 ", "3-1x"`:   nil,
		`"+3-1", "3", "", "third"`: nil,
	} {
		tags, _, _ := parseTags(header)
		if diff := cmp.Diff(want, revisions(tags)); diff != "" {
			t.Errorf("revisions of %s (-want +got)\n%s", header, diff)
		}
	}
}

func TestNotModified(t *testing.T) {
	t.Parallel()
	now := clinic.Revision{Version: 3, Comments: 1}
	for header, want := range map[string]bool{
		"": false, "*": true, ETag(now): true, "W/" + ETag(now): true, `"x", "3-1"`: true, `"3-2"`: false, `3-1`: false,
	} {
		if got := NotModified(header, ETag(now)); got != want {
			t.Errorf("NotModified(%q) = %t, want %t", header, got, want)
		}
	}
}
