package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	mostFaults    = 5
	answerTimeout = time.Minute
)

// connection is one client with one keep-alive connection. A single goroutine uses it.
type connection struct {
	job      job
	client   *fasthttp.HostClient
	request  fasthttp.Request
	response fasthttp.Response
	chained  call          // the next one, if the job is chained
	weights  int           // of all groups
	numbers  *atomic.Int64 // the last number in a body

	latencies      []time.Duration // of the right answers
	refused, wrong int
	faults         []string
}

func newConnection(j job, index int, numbers *atomic.Int64) *connection {
	c := &connection{job: j, numbers: numbers, client: &fasthttp.HostClient{
		Addr: j.Address, MaxConns: 1, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout, MaxIdemponentCallAttempts: 1,
		NoDefaultUserAgentHeader: true, DisablePathNormalizing: true,
	}}
	c.request.Header.SetHost(j.Address)
	// Each connection is a client with an address of its own, as behind a proxy: the server limits the share of one address.
	c.request.Header.Set("X-Forwarded-For", fmt.Sprintf("10.0.%d.%d", index>>8, index&0xff))
	for _, g := range j.Groups {
		c.weights += g.Weight
	}
	if j.Chained {
		c.chained = j.Groups[0].Calls[index]
	}
	return c
}

// send sends the next request, and counts its latency from the time that it was due.
func (c *connection) send(due time.Time) {
	next := c.next()
	sent := c.fill(next)
	err := c.client.Do(&c.request, &c.response)
	latency := time.Since(due)
	status, body := c.response.StatusCode(), c.response.Body()
	switch {
	case err != nil:
		c.fault(next, "no answer: "+err.Error())
	case refused(status):
		c.refused++
	default:
		if fault := next.Want.fault(status, body, sent); fault != "" {
			c.fault(next, fault)
			return
		}
		c.latencies = append(c.latencies, latency)
		if c.job.Chained {
			c.chained.Body = refreshBody(between(body, `"refresh":"`, `"`))
		}
	}
}

func (c *connection) fault(failed call, what string) {
	c.wrong++
	if len(c.faults) < mostFaults {
		c.faults = append(c.faults, fmt.Sprintf("%s %s: %s", failed.Method, failed.Path, what))
	}
}

// next returns a random call of a group that is chosen by its weight.
func (c *connection) next() call {
	if c.job.Chained {
		return c.chained
	}
	chosen := rand.IntN(c.weights) //nolint:gosec // chooses among calls
	for _, g := range c.job.Groups {
		if chosen < g.Weight {
			return g.Calls[rand.IntN(len(g.Calls))] //nolint:gosec // as above
		}
		chosen -= g.Weight
	}
	return call{} // cannot happen: the weights are those of the groups
}

// fill prepares the request, and returns the number that its body contains, or "".
func (c *connection) fill(next call) (sent string) {
	c.request.Header.SetMethod(next.Method)
	c.request.SetRequestURI(next.Path)
	if next.Token == noToken {
		c.request.Header.Del(fasthttp.HeaderAuthorization)
	} else {
		c.request.Header.Set(fasthttp.HeaderAuthorization, "Bearer "+c.job.Tokens[next.Token])
	}
	c.request.ResetBody()
	if next.Body == "" {
		c.request.Header.Del(fasthttp.HeaderContentType)
		return ""
	}
	c.request.Header.SetContentType("application/json")
	sent = strconv.FormatInt(c.numbers.Add(1), 10)
	c.request.SetBodyString(strings.ReplaceAll(next.Body, number, sent))
	return sent
}

func refreshBody(token string) string { return `{"refresh":"` + token + `"}` }

// between returns the part of a text between two marks, or "".
func between(text []byte, before, after string) string {
	_, rest, _ := bytes.Cut(text, []byte(before))
	found, _, _ := bytes.Cut(rest, []byte(after))
	return string(found)
}
