package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Paging is embedded in requests for a page of a list. It is exported because
// huma ignores the fields of embedded types that are not.
type Paging struct {
	Page     int    `query:"page" minimum:"1" maximum:"10000" default:"1" doc:"The number of the page. High numbers are slow; use cursor to read long lists."`
	PageSize int    `query:"page_size" minimum:"1" maximum:"100" default:"20" doc:"How many items a page has at most."`
	Cursor   string `query:"cursor" maxLength:"200" doc:"Reads pages by position, which is equally fast for every page. Send an empty cursor for the first page, then follow next and previous. With a cursor, page is ignored."`

	request clinic.PageRequest
	query   url.Values
}

// Resolve implements huma.Resolver: it decodes the cursor.
func (p *Paging) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	p.query = u.Query()
	p.request = clinic.PageRequest{Number: p.Page, Size: p.PageSize}
	if !p.query.Has("cursor") {
		return nil
	}
	cursor, err := decodeCursor(p.query.Get("cursor"), isTime)
	if err != nil {
		return Refuse("cursor", "this is not a cursor of this API; send the one of next or previous, or none for the first page")
	}
	p.request.Cursor = cursor
	return nil
}

// PageRequest returns the requested page.
func (p Paging) PageRequest() clinic.PageRequest { return p.request }

// Page is the body of a list, in the format of the Django REST framework.
type Page[T any] struct {
	Count    int     `json:"count" doc:"The number of items on all pages that match the filter." example:"1"`
	AtLeast  bool    `json:"count_is_lower_bound,omitempty" doc:"True if more items may match than count says; otherwise omitted. The server counts at most 1,000 items of a list of patients or users. Of health records of a period, it looks at 1,000 at most before it applies record_type, so that count can be smaller. All other counts are exact."`
	Next     *string `json:"next" doc:"The URL of the next page; null on the last page." example:"/api/health-records/?page=3"`
	Previous *string `json:"previous" doc:"The URL of the previous page; null on the first page." example:"/api/health-records/?page=1"`
	Notice   *Notice `json:"notice,omitempty" doc:"Why the list is empty, if the reason is not that nothing matches; otherwise omitted."`
	Results  []T     `json:"results" nullable:"false"`
}

// Notice tells the reader of a list something that its items do not.
type Notice struct {
	Code   string `json:"code" doc:"The code of the notice, for programs. It does not change. doctor_not_verified: an administrator has to verify the caller's license first." example:"doctor_not_verified"`
	Detail string `json:"detail" doc:"An explanation for people. It may change." example:"your license is not verified; you see no patients until an administrator verifies it"`
}

// PageResponse is the answer of an operation that lists.
type PageResponse[T any] struct {
	Body Page[T]
}

// AnswerPage returns the answer for a page of the domain. base is the URL of the links without their query.
func AnswerPage[T, V any](p Paging, base string, found clinic.Page[T], view func(T) V) (*PageResponse[V], error) {
	answer := Page[V]{Count: found.Total, AtLeast: found.AtLeast, Notice: NewNotice(found.Notice), Results: Views(found.Items, view)}
	if p.request.Cursor.Keyset {
		answer.Next = p.cursorLink(base, found.Next)
		answer.Previous = p.cursorLink(base, found.Previous)
		return &PageResponse[V]{Body: answer}, nil
	}
	if len(found.Items) == 0 && p.Page > 1 {
		return nil, clinic.NotFound("page")
	}
	if found.Next != nil && p.Page < maxPage {
		answer.Next = p.link(base, "page", strconv.Itoa(p.Page+1))
	}
	if p.Page > 1 {
		answer.Previous = p.link(base, "page", strconv.Itoa(p.Page-1))
	}
	return &PageResponse[V]{Body: answer}, nil
}

func (p Paging) cursorLink(base string, cursor *clinic.Cursor) *string {
	if cursor == nil {
		return nil
	}
	return p.link(base, "cursor", encodeCursor(*cursor))
}

// link returns the URL of the request with one parameter changed.
func (p Paging) link(base, name, value string) *string {
	query := url.Values{}
	for key, values := range p.query {
		query[key] = values
	}
	query.Set(name, value)
	link := base + "?" + query.Encode()
	return &link
}

// wireCursor is the content of a cursor in base64. A position is not a secret:
// from any position, callers get only the items that they may see.
type wireCursor struct {
	Back bool   `json:"b,omitempty"`
	Key  string `json:"k,omitempty"`
	ID   int64  `json:"i"`
}

func encodeCursor(c clinic.Cursor) string {
	b, _ := json.Marshal(wireCursor{Back: c.Back, Key: c.Key, ID: c.ID}) // encoding such a struct cannot fail
	return base64.RawURLEncoding.EncodeToString(b)
}

var errCursor = errors.New("not a cursor")

// decodeCursor validates the content, because anybody can make up a cursor.
func decodeCursor(s string, validKey func(string) bool) (clinic.Cursor, error) {
	if s == "" {
		return clinic.Cursor{Keyset: true}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return clinic.Cursor{}, errCursor
	}
	var c wireCursor
	if err := json.Unmarshal(b, &c); err != nil || c.ID < 1 {
		return clinic.Cursor{}, errCursor
	}
	if c.Key != "" && !validKey(c.Key) {
		return clinic.Cursor{}, errCursor
	}
	return clinic.Cursor{Keyset: true, Back: c.Back, Key: c.Key, ID: c.ID}, nil
}

func isTime(key string) bool {
	_, err := time.Parse(time.RFC3339Nano, key)
	return err == nil
}

// BodyPage is embedded in the body of a request for a page of a list whose filter must not be in a URL. It is exported because
// huma ignores the fields of embedded types that are not.
type BodyPage struct {
	PageSize int    `json:"page_size,omitempty" minimum:"1" maximum:"100" default:"20" doc:"How many items a page has at most." example:"20"`
	Cursor   string `json:"cursor,omitempty" maxLength:"200" doc:"Where the page begins: the next_cursor or previous_cursor of an answer to the same query and filters. Omit it for the first page."`
}

// PageRequest returns the requested page. The store checks the key of a cursor.
func (p BodyPage) PageRequest() (clinic.PageRequest, error) {
	cursor, err := decodeCursor(p.Cursor, func(string) bool { return true })
	if err != nil {
		return clinic.PageRequest{}, clinic.Invalid("cursor", "this is not a cursor of this API; send a next_cursor or previous_cursor, or none for the first page")
	}
	return clinic.PageRequest{Size: p.PageSize, Cursor: cursor}, nil
}

// BodyCursors are the cursors of the neighboring pages of an answer to such a request.
type BodyCursors struct {
	Next     *string `json:"next_cursor" doc:"The cursor of the next page; null on the last page." example:"eyJrIjoiMC4xIiwiaSI6MX0"`
	Previous *string `json:"previous_cursor" doc:"The cursor of the previous page; null on the first page." example:"eyJiIjp0cnVlLCJpIjoxfQ"`
}

// CursorsOf returns those of a page.
func CursorsOf(next, previous *clinic.Cursor) BodyCursors {
	encoded := func(c *clinic.Cursor) *string {
		if c == nil {
			return nil
		}
		text := encodeCursor(*c)
		return &text
	}
	return BodyCursors{Next: encoded(next), Previous: encoded(previous)}
}

// NewNotice returns the notice of a page; nil if it has none.
func NewNotice(n *clinic.Notice) *Notice {
	if n == nil {
		return nil
	}
	return &Notice{Code: n.Code, Detail: n.Message}
}

// Views renders each item. The result is never nil, so that an empty list is [] in JSON.
func Views[T, V any](items []T, view func(T) V) []V {
	views := make([]V, 0, len(items))
	for _, item := range items {
		views = append(views, view(item))
	}
	return views
}
