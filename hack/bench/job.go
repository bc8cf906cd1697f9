package main

import (
	"bytes"
	"fmt"
	"net/http"
	"time"
)

// A job is what the load generator does at once: it sends random calls to one server, and checks the answers. It arrives as
// JSON on the generator's input; the outcome leaves as JSON on its output.
type job struct {
	Address     string // host:port of the server
	Tokens      []string
	Groups      []group
	Connections int
	Seconds     float64
	// Rate is the number of requests that become due in a second, whether or not earlier ones were answered (an open loop).
	// 0: each connection sends its next request after the answer (a closed loop).
	Rate float64
	// Requests is how many requests a closed loop sends, instead of for how long; 0: Seconds decide.
	Requests int64
	// Chained means that each connection begins with a call of its own and continues with the refresh token of its last answer.
	Chained bool
}

// group is a part of a job's calls that has a fixed share of the requests.
type group struct {
	Weight int
	Calls  []call
}

// number in a call's body and in the text that is expected is replaced by a number that no other request has.
const number = "{n}"

// call is one request, and what a right answer to it looks like.
type call struct {
	Method, Path string
	Body         string `json:",omitempty"`
	Token        int    // index of the job's tokens; noToken: sent without one
	Want         want
}

const noToken = -1

// want describes a right answer.
type want struct {
	Status int
	Text   string `json:",omitempty"` // the body contains it
	Item   string `json:",omitempty"` // the body contains it once for each item
	Items  int    `json:",omitempty"`
}

// fault returns what is wrong with an answer, without quoting it, or "".
func (w want) fault(status int, body []byte, sent string) string {
	if status != w.Status {
		return fmt.Sprintf("status %d", status)
	}
	text := []byte(w.Text)
	if sent != "" {
		text = bytes.ReplaceAll(text, []byte(number), []byte(sent))
	}
	if !bytes.Contains(body, text) {
		return "the answer is not about the object that was asked for"
	}
	if w.Item == "" {
		return ""
	}
	if items := bytes.Count(body, []byte(w.Item)); items != w.Items {
		return fmt.Sprintf("%d items instead of %d", items, w.Items)
	}
	return ""
}

// refused reports whether a status means that the server does not want to do more at the moment.
func refused(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// outcome is what became of a job's requests.
type outcome struct {
	Right, Refused, Wrong int
	Seconds               float64 // from the first request to the last answer
	P50, P99              time.Duration
	CPU                   float64  // seconds that the generator itself used
	Faults                []string // the first few of the wrong answers
}

func (o outcome) perSecond() float64 { return float64(o.Right) / o.Seconds }
