package store

import (
	"math"
	"slices"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// window is the part of an ordered list that a statement reads for a page.
// Rows come in reading order. With Back that is against the list's order, beginning
// next to the position.
type window struct {
	Back   bool
	ID     int64  // position: rows strictly beyond it; 0: from the beginning
	Key    string // sort key of the position, "" for lists ordered by id
	Limit  int32  // one more than the page's size: the extra row shows that the list goes on
	Offset int32  // rows to skip, of a page by number
}

// windowOf replaces values that are out of range by the nearest allowed ones, and a
// missing size by the default.
func windowOf(page clinic.PageRequest) window {
	size := page.Size
	if size == 0 {
		size = clinic.DefaultPageSize
	}
	size = min(max(size, 1), clinic.MaxPageSize)
	w := window{Limit: int32(size) + 1}
	switch {
	case !page.Cursor.Keyset:
		number := min(max(page.Number, 1), math.MaxInt32/clinic.MaxPageSize)
		w.Offset = int32((number - 1) * size) //nolint:gosec // both are bounded
	case page.Cursor.ID != 0:
		w.Back, w.ID, w.Key = page.Cursor.Back, page.Cursor.ID, page.Cursor.Key
	}
	return w
}

// shown is how many of the rows are on the page.
func (w window) shown() int32 { return w.Limit - 1 }

// beginning reports whether the window starts where the list does: when
// nothing is found there, the list is empty.
func (w window) beginning() bool { return w.ID == 0 && w.Offset == 0 }

// listing is how one list is read: R is a row of the statement, T an item of the list.
type listing[R, T any] struct {
	page clinic.PageRequest
	// read returns the rows of the window in reading order, at most w.Limit.
	read func(w window) ([]R, error)
	// item translates a row; total is the row's count of the whole list.
	item  func(R) (T, error)
	total func(R) counted
	// count counts the whole list, for an empty page that is not the first.
	count func() (counted, error)
	// position returns the place of an item in the list's order.
	position func(T) (key string, id int64)
}

// counted is the number of rows in a list.
type counted struct {
	rows    int64
	atLeast bool // rows is a lower bound
}

// countUpTo is how many rows a statement counts at most, of a list whose count is not kept: the last one only shows
// that there are more than clinic.MaxCount.
const countUpTo = clinic.MaxCount + 1

func exactly(rows int64) counted { return counted{rows: rows} }

// upTo is the result of a statement that counts at most countUpTo rows.
func upTo(rows int64) counted {
	return counted{rows: min(rows, clinic.MaxCount), atLeast: rows > clinic.MaxCount}
}

// readPage reads one page of a list with one statement, or two when the page is
// empty though the list may not be.
func readPage[R, T any](l listing[R, T]) (clinic.Page[T], error) {
	w := windowOf(l.page)
	rows, err := l.read(w)
	if err != nil {
		return clinic.Page[T]{}, translate(err)
	}
	total, err := l.whole(w, rows)
	if err != nil {
		return clinic.Page[T]{}, translate(err)
	}
	page := clinic.Page[T]{Items: make([]T, 0, len(rows)), Total: int(total.rows), AtLeast: total.atLeast}
	more := len(rows) == int(w.Limit)
	if reached := int(w.Offset) + len(rows); page.AtLeast && len(rows) > 0 { // the page itself may show more of the list, or its end
		page.Total = max(page.Total, reached)
		if w.ID == 0 && !more {
			page.Total, page.AtLeast = reached, false
		}
	}
	if more {
		rows = rows[:len(rows)-1]
	}
	for _, row := range rows {
		item, err := l.item(row)
		if err != nil {
			return clinic.Page[T]{}, err
		}
		page.Items = append(page.Items, item)
	}
	if w.Back {
		slices.Reverse(page.Items)
	}
	l.link(&page, w, more)
	return page, nil
}

// whole is the number of rows in the whole list.
func (l listing[R, T]) whole(w window, rows []R) (counted, error) {
	switch {
	case len(rows) > 0:
		return l.total(rows[0]), nil
	case w.beginning():
		return exactly(0), nil
	}
	return l.count()
}

// link sets the positions of the neighboring pages. more means that rows lie beyond the
// page in reading order. The position that the page was read from is a row of a neighboring page.
func (l listing[R, T]) link(page *clinic.Page[T], w window, more bool) {
	next, previous := more, !w.beginning()
	if w.Back {
		next, previous = true, more
	}
	if len(page.Items) == 0 {
		l.linkEmpty(page, w)
		return
	}
	if next {
		key, id := l.position(page.Items[len(page.Items)-1])
		page.Next = &clinic.Cursor{Keyset: true, Key: key, ID: id}
	}
	if previous {
		key, id := l.position(page.Items[0])
		page.Previous = &clinic.Cursor{Keyset: true, Back: true, Key: key, ID: id}
	}
}

// linkEmpty points back to the page that the reader came from: the rows of this one
// were deleted meanwhile. A page by number beyond the end has no position.
func (l listing[R, T]) linkEmpty(page *clinic.Page[T], w window) {
	if w.ID == 0 {
		return
	}
	came := &clinic.Cursor{Keyset: true, Back: !w.Back, Key: w.Key, ID: w.ID}
	if w.Back {
		page.Next = came
	} else {
		page.Previous = came
	}
}

// byID is the position in a list ordered by id.
func byID[T any](id func(T) int64) func(T) (string, int64) {
	return func(item T) (string, int64) { return "", id(item) }
}
