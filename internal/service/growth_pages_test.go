package service_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
)

// pages is a list of the service as one caller reads it. Its name says how it is
// narrowed, and limits how many rows of which table a page may read.
type pages[T any] struct {
	town
	list, name string
	caller     clinic.Caller
	limits     map[string]int
	read       func(clinic.PageRequest) (clinic.Page[T], error)
}

func (p pages[T]) check(t *testing.T, kind string, limits map[string]int, request clinic.PageRequest) (page clinic.Page[T]) {
	t.Helper()
	p.ran[p.list] = true
	p.town.check(t, p.list+": "+p.name+", "+kind, p.caller, limits, func() (err error) {
		page, err = p.read(request)
		return err
	})
	return page
}

func (p pages[T]) checkFirst(t *testing.T) clinic.Page[T] {
	t.Helper()
	return p.check(t, "first page", p.limits, clinic.PageRequest{})
}

// checkAll checks each kind of page: the first one, the next and back from there, the second
// by its number, and those before a position at either end. One of these is the last
// page; the other is empty, so that only the list is counted.
func (p pages[T]) checkAll(t *testing.T) {
	t.Helper()
	if first := p.checkFirst(t); first.Next != nil {
		second := p.check(t, "next page", p.limits, clinic.PageRequest{Cursor: *first.Next})
		back := p.check(t, "back", p.limits, clinic.PageRequest{Cursor: *second.Previous})
		if !reflect.DeepEqual(back.Items, first.Items) {
			t.Errorf("%s: %s: back from the second page is not the first one: the statement must run on reading(w), and have its marks", p.list, p.name)
		}
		skipped := map[string]int{} // the skipped rows are read, too
		for table, limit := range p.limits {
			skipped[table] = 2 * limit
		}
		p.check(t, "second page", skipped, clinic.PageRequest{Number: 2})
	}
	p.check(t, "before the lowest", p.limits, clinic.PageRequest{Cursor: clinic.Cursor{Keyset: true, Back: true, Key: "1000-01-01T00:00:00Z", ID: 1}})
	p.check(t, "before the highest", p.limits, clinic.PageRequest{Cursor: clinic.Cursor{Keyset: true, Back: true, Key: "9000-01-01T00:00:00Z", ID: math.MaxInt64}})
}

// log is like pages, for a list that is read in one direction and not counted.
type log[T any] struct {
	town
	list, name string
	caller     clinic.Caller
	limits     map[string]int
	read       func(before int64) (clinic.Log[T], error)
}

func (l log[T]) checkAll(t *testing.T) {
	t.Helper()
	l.ran[l.list] = true
	before := int64(0)
	for _, kind := range []string{"first page", "next page"} {
		l.check(t, l.list+": "+l.name+", "+kind, l.caller, l.limits, func() error {
			page, err := l.read(before)
			before = page.Next
			return err
		})
		if before == 0 {
			break
		}
	}
}

// tries records which fields of the filter are set.
func (w town) tries(filter any) {
	value := reflect.ValueOf(filter)
	for i := range value.NumField() {
		if !value.Field(i).IsZero() {
			w.ran[value.Type().Name()+"."+value.Type().Field(i).Name] = true
		}
	}
}

// checkAllRan finds the lists of the service that did not run, and the filter fields
// that no list used.
func (w town) checkAllRan(t *testing.T) {
	t.Helper()
	subjects := reflect.TypeFor[service.API]()
	for i := range subjects.NumField() {
		w.checkSubjectRan(t, subjects.Field(i))
	}
}

func (w town) checkSubjectRan(t *testing.T, subject reflect.StructField) {
	t.Helper()
	for i := range subject.Type.NumMethod() {
		method := subject.Type.Method(i)
		if method.Type.NumOut() == 0 || !strings.HasPrefix(method.Type.Out(0).Name(), "Page[") && !strings.HasPrefix(method.Type.Out(0).Name(), "Log[") {
			continue
		}
		list := subject.Name + "." + method.Name
		if !w.ran[list] {
			t.Errorf("the list %s did not run: give newTown rows for it, and check its pages in growth_lists_test.go or growth_people_test.go", list)
		}
		for j := range method.Type.NumIn() {
			filter := method.Type.In(j)
			if !strings.HasSuffix(filter.Name(), "Filter") {
				continue
			}
			for k := range filter.NumField() {
				if name := filter.Name() + "." + filter.Field(k).Name; !w.ran[name] {
					t.Errorf("%s did not run by %s", list, name)
				}
			}
		}
	}
}
