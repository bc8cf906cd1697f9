package audit

import (
	"cmp"
	"slices"
	"sort"
)

// Dropped are the ids that retention dropped, as first and last of each run, in order.
type Dropped [][2]int64

// DroppedBy reads the ids from retention's statements, and skips a statement that it cannot read.
func DroppedBy(statements []Checkpoint) Dropped {
	var d Dropped
	for _, c := range statements {
		if s, err := c.Parse(); err == nil && s.Kind == KindDrop {
			d = append(d, s.Dropped...)
		}
	}
	return d.sorted()
}

func (d Dropped) sorted() Dropped {
	slices.SortFunc(d, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	return d
}

// from returns the runs that end at the id or later.
func (d Dropped) from(id int64) Dropped {
	return d[sort.Search(len(d), func(i int) bool { return d[i][1] >= id }):]
}

func (d Dropped) has(id int64) bool {
	left := d.from(id)
	return len(left) > 0 && left[0][0] <= id
}

// HasAll reports whether each of the ids was dropped.
func (d Dropped) HasAll(ids []int64) bool {
	return !slices.ContainsFunc(ids, func(id int64) bool { return !d.has(id) })
}

// count is how many ids above after and up to upTo were dropped.
func (d Dropped) count(after, upTo int64) (n int64) {
	for _, run := range d.from(after) {
		if run[0] > upTo {
			break
		}
		n += max(0, min(run[1], upTo)-max(run[0], after+1)+1)
	}
	return n
}
