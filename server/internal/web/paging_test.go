package web

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

func TestCursorsSurviveTheirWay(t *testing.T) {
	t.Parallel()
	for _, want := range []clinic.Cursor{
		{Keyset: true, ID: 7},
		{Keyset: true, Back: true, Key: "2025-05-27T10:00:00.123456Z", ID: 9},
	} {
		got, err := decodeCursor(encodeCursor(want), isTime)
		if err != nil || got != want {
			t.Errorf("decodeCursor(encodeCursor(%+v)) = %+v, %v", want, got, err)
		}
	}
	if got, err := decodeCursor("", isTime); err != nil || got != (clinic.Cursor{Keyset: true}) {
		t.Errorf("the empty cursor is %+v, %v, want the beginning", got, err)
	}
}

func TestDecodeCursorRefusesWhatNobodyEncoded(t *testing.T) {
	t.Parallel()
	for _, inside := range []string{"", "{", "null", `{}`, `{"i":0}`, `{"i":-1}`, `{"i":"7"}`, `{"i":7,"k":"'; DROP TABLE users"}`} {
		if inside == "" {
			continue
		}
		if c, err := decodeCursor(base64.RawURLEncoding.EncodeToString([]byte(inside)), isTime); err == nil {
			t.Errorf("%s was taken for %+v", inside, c)
		}
	}
	if _, err := decodeCursor("not base64!", isTime); err == nil {
		t.Error("what is not base64 was taken")
	}
}

func FuzzDecodeCursor(f *testing.F) {
	f.Add(encodeCursor(clinic.Cursor{ID: 7, Back: true, Key: "2025-05-27T10:00:00Z"}))
	f.Fuzz(func(t *testing.T, s string) {
		c, err := decodeCursor(s, isTime)
		if err == nil && (!c.Keyset || s != "" && c.ID < 1) {
			t.Errorf("decodeCursor(%q) = %+v", s, c)
		}
	})
}

func TestLinksOfNumberedPages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		page, total    int
		more           bool
		next, previous string
	}{
		{page: 1, total: 0},
		{page: 1, total: 2},
		{page: 1, total: 3, more: true, next: "/list?page=2&page_size=2&search=a+b"},
		{page: 2, total: 5, more: true, next: "/list?page=3&page_size=2&search=a+b", previous: "/list?page=1&page_size=2&search=a+b"},
		{page: 3, total: 5, previous: "/list?page=2&page_size=2&search=a+b"},
		{page: 3, total: 5, more: true, next: "/list?page=4&page_size=2&search=a+b", previous: "/list?page=2&page_size=2&search=a+b"}, // at least 5
	} {
		p := Paging{Page: test.page, PageSize: 2, query: url.Values{"search": {"a b"}, "page_size": {"2"}}}
		found := clinic.Page[int]{Items: []int{1}, Total: test.total}
		if test.more {
			found.Next = &clinic.Cursor{}
		}
		got, err := AnswerPage(p, "/list", found, func(i int) int { return i })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{test.next, test.previous}, []string{linked(got.Body.Next), linked(got.Body.Previous)}); diff != "" {
			t.Errorf("page %d of %d items (-want +got)\n%s", test.page, test.total, diff)
		}
	}
}

// TestTheDocumentNamesTheLimitOfCounts compares the text with clinic.MaxCount: a tag cannot be made of it.
func TestTheDocumentNamesTheLimitOfCounts(t *testing.T) {
	t.Parallel()
	field, _ := reflect.TypeFor[Page[int]]().FieldByName("AtLeast")
	limit := fmt.Sprintf("%d,%03d items", clinic.MaxCount/1000, clinic.MaxCount%1000)
	if doc := field.Tag.Get("doc"); !strings.Contains(doc, limit) {
		t.Errorf("%q does not say %q", doc, limit)
	}
}

// linked returns the link, or "" for null.
func linked(link *string) string {
	if link == nil {
		return ""
	}
	return *link
}

func TestAPageBeyondTheEndIsNotFound(t *testing.T) {
	t.Parallel()
	none := clinic.Page[int]{Total: 3}
	if _, err := AnswerPage(Paging{Page: 3, PageSize: 2}, "/list", none, func(i int) int { return i }); clinic.CodeOf(err) != clinic.CodeNotFound {
		t.Errorf("error = %v, want not_found", err)
	}
	got, err := AnswerPage(Paging{Page: 1, PageSize: 2}, "/list", clinic.Page[int]{}, func(i int) int { return i })
	if err != nil || got.Body.Results == nil {
		t.Errorf("an empty list is %+v, %v, want no items and no error", got, err)
	}
}

func TestLinksOfCursorPages(t *testing.T) {
	t.Parallel()
	p := Paging{Page: 1, PageSize: 2, query: url.Values{"cursor": {""}}, request: clinic.PageRequest{Cursor: clinic.Cursor{Keyset: true}}}
	next := clinic.Cursor{Keyset: true, ID: 7}
	got, err := AnswerPage(p, "https://records.example.org/list", clinic.Page[int]{Items: []int{7}, Total: 9, Next: &next}, func(i int) int { return i })
	if err != nil {
		t.Fatal(err)
	}
	want := "https://records.example.org/list?cursor=" + encodeCursor(next)
	if got.Body.Next == nil || *got.Body.Next != want || got.Body.Previous != nil {
		t.Errorf("next, previous = %v, %v, want %s and none", got.Body.Next, got.Body.Previous, want)
	}
}
