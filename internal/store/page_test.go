package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// reader reads a page of some list as ids.
type reader func(clinic.PageRequest) (ids []int64, page clinic.Page[struct{}], err error)

func readerOf[T any](read func(clinic.PageRequest) (clinic.Page[T], error), id func(T) int64) reader {
	return func(request clinic.PageRequest) (ids []int64, page clinic.Page[struct{}], err error) {
		found, err := read(request)
		for _, item := range found.Items {
			ids = append(ids, id(item))
		}
		return ids, clinic.Page[struct{}]{Total: found.Total, Next: found.Next, Previous: found.Previous}, err
	}
}

// walk follows next, or previous, from the request to the end of the list.
func (read reader) walk(t *rapid.T, request clinic.PageRequest, total int, follow func(clinic.Page[struct{}]) *clinic.Cursor) (pages [][]int64, last clinic.Page[struct{}]) {
	t.Helper()
	for range total + 2 {
		ids, page, err := read(request)
		if err != nil {
			t.Fatal(err)
		}
		if page.Total != total || len(ids) > request.Size {
			t.Fatalf("%+v: %d rows of %d, want at most %d of %d", request, len(ids), page.Total, request.Size, total)
		}
		pages = append(pages, ids)
		cursor := follow(page)
		if cursor == nil {
			return pages, page
		}
		request.Cursor = *cursor
	}
	t.Fatalf("the walk does not end: %v", pages)
	return nil, last
}

func next(p clinic.Page[struct{}]) *clinic.Cursor     { return p.Next }
func previous(p clinic.Page[struct{}]) *clinic.Cursor { return p.Previous }

// checkPaging proves of a list with these ids, in order: walking next to the end
// and previous back gives each row once, at the size, and so do the page numbers.
func checkPaging(t *rapid.T, read reader, want []int64, size int) {
	t.Helper()
	full := slices.Collect(slices.Chunk(want, size))
	if len(want) == 0 {
		full = [][]int64{nil}
	}
	forward, last := read.walk(t, clinic.PageRequest{Size: size, Cursor: clinic.Cursor{Keyset: true}}, len(want), next)
	if !slices.EqualFunc(forward, full, slices.Equal) {
		t.Fatalf("size %d forward: %v, want %v", size, forward, full)
	}
	if last.Previous != nil {
		back, first := read.walk(t, clinic.PageRequest{Size: size, Cursor: *last.Previous}, len(want), previous)
		slices.Reverse(back)
		if before := append(slices.Concat(back...), full[len(full)-1]...); !slices.Equal(before, want) || first.Previous != nil {
			t.Fatalf("size %d back: %v", size, back)
		}
	} else if len(full) > 1 {
		t.Fatalf("size %d: no way back from the last of %d pages", size, len(full))
	}
	for number := 1; number <= len(full)+1; number++ {
		ids, page, err := read(clinic.PageRequest{Size: size, Number: number})
		var here []int64
		if number <= len(full) {
			here = full[number-1]
		}
		if err != nil || !slices.Equal(ids, here) || page.Total != len(want) || (page.Next != nil) != (number < len(full)) {
			t.Fatalf("size %d page %d: %v of %+v, %v, want %v", size, number, ids, page, err, here)
		}
	}
}

func TestWalkingADirectoryGivesEachRowOnce(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	db := openTest(t, dsn)
	factory := testkit.NewFactory(t, dsn)
	admin := testkit.CallerOf(factory.Admin())
	h := db.As(admin)
	doctors := func(search string, verified bool) reader {
		return readerOf(func(r clinic.PageRequest) (clinic.Page[clinic.Doctor], error) {
			return h.Doctors().List(context.WithoutCancel(t.Context()), clinic.DoctorFilter{Search: search, Verified: &verified}, r)
		}, func(d clinic.Doctor) int64 { return d.ID })
	}
	patients := func(search string) reader {
		return readerOf(func(r clinic.PageRequest) (clinic.Page[clinic.Patient], error) {
			return h.Patients().List(context.WithoutCancel(t.Context()), search, r)
		}, func(p clinic.Patient) int64 { return p.ID })
	}
	var listed, foundDoctors, everybody, foundPatients []int64
	rapid.Check(t, func(t *rapid.T) {
		// the lists grow from check to check, with gaps in their ids
		for _, kind := range rapid.SliceOfN(rapid.IntRange(0, 5), 0, 2).Draw(t, "people") {
			found := testkit.Person{FirstName: "Findme"}
			switch kind {
			case 0:
				listed = append(listed, factory.Doctor(testkit.DoctorOptions{}).ID)
			case 1:
				foundDoctors = append(foundDoctors, factory.Doctor(testkit.DoctorOptions{Person: found, Unverified: true}).ID)
			case 2:
				everybody = append(everybody, factory.Patient(testkit.PatientOptions{}).ID)
			case 3:
				id := factory.Patient(testkit.PatientOptions{Person: found}).ID
				everybody, foundPatients = append(everybody, id), append(foundPatients, id)
			default:
				factory.Exec("DELETE FROM users WHERE id = $1", factory.Doctor(testkit.DoctorOptions{}).User.ID)
				factory.Exec("DELETE FROM users WHERE id = $1", factory.Patient(testkit.PatientOptions{}).User.ID)
			}
		}
		size := rapid.SampledFrom([]int{1, 2, 3, 7, 100}).Draw(t, "size")
		checkPaging(t, doctors("", true), listed, size)
		checkPaging(t, doctors("findme", false), foundDoctors, size)
		checkPaging(t, patients(""), everybody, size)
		checkPaging(t, patients("findme"), foundPatients, size)
	})
}

func TestPageBeyondTheEndCountsTheList(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	h := openTest(t, dsn).System()
	factory := testkit.NewFactory(t, dsn)
	for range 3 {
		factory.Patient(testkit.PatientOptions{})
	}
	for name, request := range map[string]clinic.PageRequest{
		"number":           {Number: 2, Size: 3},
		"far number":       {Number: math.MaxInt, Size: 100},
		"cursor":           {Size: 3, Cursor: clinic.Cursor{Keyset: true, ID: 3}},
		"far cursor":       {Size: 3, Cursor: clinic.Cursor{Keyset: true, ID: math.MaxInt64}},
		"cursor to before": {Size: 3, Cursor: clinic.Cursor{Keyset: true, Back: true, ID: 1}},
		"negative cursor":  {Size: 3, Cursor: clinic.Cursor{Keyset: true, Back: true, ID: math.MinInt64}},
	} {
		page, err := h.Patients().List(t.Context(), "", request)
		if err != nil || len(page.Items) != 0 || page.Items == nil || page.Total != 3 {
			t.Errorf("%s: %+v, %v", name, page, err)
		}
		if (page.Previous != nil) != (request.Cursor.Keyset && !request.Cursor.Back) || (page.Next != nil) != request.Cursor.Back {
			t.Errorf("%s: next %v, previous %v", name, page.Next, page.Previous)
		}
	}
}

func TestOutOfRangeRequestsAreTheNearestInRange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		request clinic.PageRequest
		want    window
	}{
		{clinic.PageRequest{}, window{Limit: 21}},
		{clinic.PageRequest{Number: -5, Size: -5}, window{Limit: 2}},
		{clinic.PageRequest{Number: 3, Size: 1000}, window{Limit: 101, Offset: 200}},
		{clinic.PageRequest{Number: 3, Size: 10, Cursor: clinic.Cursor{Keyset: true}}, window{Limit: 11}},
		{clinic.PageRequest{Size: 10, Cursor: clinic.Cursor{Keyset: true, Back: true}}, window{Limit: 11}},
		{clinic.PageRequest{Size: 10, Cursor: clinic.Cursor{Keyset: true, Back: true, Key: "k", ID: 4}}, window{Back: true, ID: 4, Key: "k", Limit: 11}},
	} {
		if got := windowOf(c.request); got != c.want {
			t.Errorf("windowOf(%+v) = %+v, want %+v", c.request, got, c.want)
		}
	}
}

func TestReadPageReportsItsErrors(t *testing.T) {
	t.Parallel()
	failure := errors.New("failure")
	list := listing[int, int]{
		page:     clinic.PageRequest{Number: 2, Size: 1},
		read:     func(window) ([]int, error) { return nil, nil },
		count:    func() (counted, error) { return counted{}, failure },
		item:     func(int) (int, error) { return 0, failure },
		total:    func(int) counted { return exactly(1) },
		position: byID(func(i int) int64 { return int64(i) }),
	}
	if _, err := readPage(list); !errors.Is(err, failure) {
		t.Errorf("of counting: %v", err)
	}
	list.read = func(window) ([]int, error) { return []int{1}, nil }
	if _, err := readPage(list); !errors.Is(err, failure) {
		t.Errorf("of an item: %v", err)
	}
	list.read = func(window) ([]int, error) { return nil, failure }
	if _, err := readPage(list); !errors.Is(err, failure) {
		t.Errorf("of reading: %v", err)
	}
}

// statements counts the batches and queries that are sent.
type statements struct{ batches, queries atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.queries.Add(1)
	return ctx
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	s.batches.Add(1)
	return ctx
}

func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {
	s.queries.Add(1)
}

func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// The check of the caller and the list are one batch. The audit row of a read of patients' data follows.
func TestPageIsTwoStatementsInOneBatch(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, schema.Migrate)
	sent := &statements{}
	db, err := Open(t.Context(), Options{URL: dsn, Tracer: sent})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	factory := testkit.NewFactory(t, dsn)
	h := db.As(testkit.CallerOf(factory.Admin()))
	for range 5 {
		factory.Doctor(testkit.DoctorOptions{})
		factory.Patient(testkit.PatientOptions{})
	}
	audited := map[string]int64{"patients": 1, "an empty list": 1}
	for name, read := range map[string]func() (int, error){
		"doctors": func() (int, error) {
			page, err := h.Doctors().List(t.Context(), clinic.DoctorFilter{}, clinic.PageRequest{Number: 2, Size: 2})
			return len(page.Items), err
		},
		"found doctors": func() (int, error) {
			page, err := h.Doctors().List(t.Context(), clinic.DoctorFilter{Search: "first"}, clinic.PageRequest{Number: 1, Size: 2})
			return len(page.Items), err
		},
		"patients": func() (int, error) {
			page, err := h.Patients().List(t.Context(), "", clinic.PageRequest{Size: 2, Cursor: clinic.Cursor{Keyset: true, ID: 2}})
			return len(page.Items), err
		},
		"an empty list": func() (int, error) {
			page, err := h.Patients().List(t.Context(), "nobody", clinic.PageRequest{Number: 1, Size: 2})
			return len(page.Items) + 2, err
		},
	} {
		batches, queries := sent.batches.Load(), sent.queries.Load()
		n, err := read()
		batches, queries = sent.batches.Load()-batches, sent.queries.Load()-queries
		if err != nil || n != 2 || batches != 1 || queries != 2+audited[name] {
			t.Errorf("%s: %d rows, %v, by %d statements in %d batches", name, n, err, queries, batches)
		}
	}
}

// BenchmarkSearch measures a list of 100,000 users.
func BenchmarkSearch(b *testing.B) {
	dsn := testkit.NewDatabase(b, schema.Migrate)
	factory := testkit.NewFactory(b, dsn)
	h := openTest(b, dsn).As(testkit.CallerOf(factory.Admin()))
	factory.Exec(`INSERT INTO users (username, first_name, last_name, role, password_hash)
		SELECT 'searched' || i, (ARRAY['James', 'Mary', 'Robert', 'Patricia'])[1 + i % 4], 'Smith' || substr(md5(i::text), 1, 4),
			CASE WHEN i % 50 = 0 THEN 'DOCTOR' ELSE 'PATIENT' END, '-' FROM generate_series(1, 100000) AS i`)
	factory.Exec(`INSERT INTO patient_profiles (user_id) SELECT id FROM users WHERE role = 'PATIENT'`)
	factory.Exec(`INSERT INTO doctor_profiles (user_id, specialization, license_number, verified_at)
		SELECT id, 'Cardiology', id::text, now() FROM users WHERE role = 'DOCTOR'`)
	factory.Exec(`VACUUM ANALYZE`)
	for _, search := range []string{"", "mary smithab", "smithab", "smith", "ab"} {
		b.Run(fmt.Sprintf("patients %q", search), func(b *testing.B) {
			for b.Loop() {
				if _, err := h.Patients().List(b.Context(), search, clinic.PageRequest{Size: 20, Cursor: clinic.Cursor{Keyset: true, ID: 50_000}}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("doctors %q", search), func(b *testing.B) {
			for b.Loop() {
				if _, err := h.Doctors().List(b.Context(), clinic.DoctorFilter{Search: search}, clinic.PageRequest{Size: 20}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
