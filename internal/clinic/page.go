package clinic

// Limits of a page (API parameter page_size).
const (
	DefaultPageSize = 20
	MaxPageSize     = 100
)

// MaxCount is how many rows are counted of a list whose count is not kept. Counting ten times as many takes as long as the
// rest of the page.
const MaxCount = 1000

// PageRequest asks for one page, by number or, when Cursor is set, by keyset.
type PageRequest struct {
	Number int    // 1 is the first; ignored when Cursor is set
	Size   int    // 1 to MaxPageSize
	Cursor Cursor // zero: page by number
}

// Cursor is a position in an ordered list: the sort key and id of the row before or
// after the page. Its cost does not grow with depth.
type Cursor struct {
	Keyset bool   // page by keyset; with an empty Key it starts at the beginning
	Back   bool   // the page before the position instead of the one after it
	Key    string // sort key of the row, RFC 3339 with nanoseconds for times; "" for lists ordered by id
	ID     int64  // 0: from the beginning
}

// Page is one page of a list.
type Page[T any] struct {
	Items    []T
	Total    int     // rows in the whole list, under the same filter
	AtLeast  bool    // Total is a lower bound, because counting all rows would take too long
	Next     *Cursor // position for the next page, nil on the last one
	Previous *Cursor // position for the page before, nil on the first one
	Notice   *Notice // nil: nothing to say
}

// Notice tells the reader of a list something that its items do not, such as why
// it is empty.
type Notice struct {
	Code    string // stable, for programs
	Message string // for people
}

// Unverified is the notice of a list that is empty because the calling doctor's license is
// not verified.
func Unverified() *Notice {
	return &Notice{
		Code:    DoctorUnverified().Reason,
		Message: "your license is not verified; you see no patients until an administrator verifies it",
	}
}

// Idempotency makes the repetition of a creating request harmless: the same
// Key with the same Hash gets the first answer again, another Hash is refused
// (draft-ietf-httpapi-idempotency-key-header). The zero value has no effect.
type Idempotency struct {
	Key       string // as sent by the client, 1 to 255 characters
	Operation string // e.g. "createRecord": the same key may serve different operations
	Hash      []byte // SHA-256 of the request's body and target
}
