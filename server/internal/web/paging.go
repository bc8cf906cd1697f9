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

// Paging is the part of a list's request that says which page. It is exported
// for huma, which does not see into embedded types otherwise.
type Paging struct {
	Page     int    `query:"page" minimum:"1" maximum:"10000" default:"1" doc:"Number of the page. Its cost grows with depth; use cursor to go far."`
	PageSize int    `query:"page_size" minimum:"1" maximum:"100" default:"20"`
	Cursor   string `query:"cursor" maxLength:"200" doc:"Keyset paging, whose cost does not grow with depth: send it empty for the first page, then follow next and previous. page is ignored with it."`

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
	cursor, err := decodeCursor(p.query.Get("cursor"))
	if err != nil {
		return []error{&huma.ErrorDetail{Location: "query.cursor", Message: "this is not a cursor of this API"}}
	}
	p.request.Cursor = cursor
	return nil
}

// PageRequest is the page that the domain is asked for.
func (p Paging) PageRequest() clinic.PageRequest { return p.request }

// Page is a list's body, as Django REST framework writes it.
type Page[T any] struct {
	Count    int     `json:"count" doc:"Items in the whole list, under the same filter." example:"1"`
	Next     *string `json:"next" doc:"URL of the next page; null on the last one." example:"/api/health-records/?page=3"`
	Previous *string `json:"previous" doc:"URL of the page before; null on the first one." example:"/api/health-records/?page=1"`
	Results  []T     `json:"results" nullable:"false"`
}

// PageResponse is the answer of an operation that lists.
type PageResponse[T any] struct {
	Body Page[T]
}

// AnswerPage writes a page of the domain. base is where links begin.
func AnswerPage[T, V any](p Paging, base string, found clinic.Page[T], view func(T) V) (*PageResponse[V], error) {
	answer := Page[V]{Count: found.Total, Results: Views(found.Items, view)}
	if p.request.Cursor.Keyset {
		answer.Next = p.cursorLink(base, found.Next)
		answer.Previous = p.cursorLink(base, found.Previous)
		return &PageResponse[V]{Body: answer}, nil
	}
	if len(found.Items) == 0 && p.Page > 1 {
		return nil, clinic.NotFound("page")
	}
	if p.Page*p.PageSize < found.Total && p.Page < maxPage {
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

// link is the request's own URL with one parameter changed.
func (p Paging) link(base, name, value string) *string {
	query := url.Values{}
	for key, values := range p.query {
		query[key] = values
	}
	query.Set(name, value)
	link := base + "?" + query.Encode()
	return &link
}

// wireCursor is a cursor inside its base64. A position is no secret: whoever
// sends one gets what he may see, from there on.
type wireCursor struct {
	Back bool   `json:"b,omitempty"`
	Key  string `json:"k,omitempty"`
	ID   int64  `json:"i"`
}

func encodeCursor(c clinic.Cursor) string {
	b, _ := json.Marshal(wireCursor{Back: c.Back, Key: c.Key, ID: c.ID}) // such a struct always encodes
	return base64.RawURLEncoding.EncodeToString(b)
}

var errCursor = errors.New("not a cursor")

// decodeCursor checks what is inside: anybody can make one up.
func decodeCursor(s string) (clinic.Cursor, error) {
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
	if c.Key != "" {
		if _, err := time.Parse(time.RFC3339Nano, c.Key); err != nil {
			return clinic.Cursor{}, errCursor
		}
	}
	return clinic.Cursor{Keyset: true, Back: c.Back, Key: c.Key, ID: c.ID}, nil
}

// Views renders each item. It is never nil: an empty list is [] in JSON.
func Views[T, V any](items []T, view func(T) V) []V {
	views := make([]V, 0, len(items))
	for _, item := range items {
		views = append(views, view(item))
	}
	return views
}
