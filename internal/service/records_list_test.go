package service_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// chart is a doctor with three patients whose visits and entries share
// instants, and a patient without a doctor.
type chart struct {
	fixture
	doctor  clinic.Caller
	patient clinic.Caller // the doctor's first patient
	mine    clinic.Patient
	foreign clinic.Patient
	records []clinic.Record // of the doctor's patients
}

func newChart(t *testing.T) chart {
	t.Helper()
	f := newFixture(t)
	doctor := f.db.Doctor(testkit.DoctorOptions{})
	c := chart{fixture: f, doctor: testkit.CallerOf(doctor.User), foreign: f.db.Patient(testkit.PatientOptions{})}
	day := time.Date(2025, 1, 1, 0, 0, 0, 1000, time.UTC)
	for p := range 3 {
		patient := f.db.Patient(testkit.PatientOptions{})
		if p == 0 {
			c.patient, c.mine = testkit.CallerOf(patient.User), patient
		}
		f.db.Assignment(testkit.AssignmentOptions{Patient: patient, Doctor: doctor})
		for i := range 11 {
			c.records = append(c.records, f.db.Record(testkit.RecordOptions{
				Patient: patient, Type: clinic.RecordTypes()[i%3],
				VisitDate: day.AddDate(0, 0, (i*7+p)%5), CreatedAt: day.AddDate(0, 0, (i*3+p)%4),
			}))
		}
	}
	f.db.Record(testkit.RecordOptions{Patient: c.foreign})
	return c
}

// want computes the ids that a list must have.
func (c chart) want(filter clinic.RecordFilter, of int64) []int64 {
	kept := slices.DeleteFunc(slices.Clone(c.records), func(r clinic.Record) bool {
		return of != 0 && r.PatientID != of || filter.PatientID != 0 && r.PatientID != filter.PatientID ||
			filter.Type != "" && r.Type != filter.Type ||
			filter.From != nil && r.VisitDate.Before(*filter.From) || filter.To != nil && !r.VisitDate.Before(*filter.To)
	})
	slices.SortFunc(kept, func(a, b clinic.Record) int {
		order := cmp.Or(filter.Order, clinic.OrderVisitDesc)
		byKey := a.VisitDate.Compare(b.VisitDate)
		if strings.HasSuffix(string(order), "created_at") {
			byKey = a.CreatedAt.Compare(b.CreatedAt)
		}
		result := cmp.Or(byKey, cmp.Compare(a.ID, b.ID))
		if strings.HasPrefix(string(order), "-") {
			return -result
		}
		return result
	})
	return ids(kept)
}

func ids(records []clinic.Record) []int64 {
	list := make([]int64, 0, len(records))
	for _, r := range records {
		list = append(list, r.ID)
	}
	return list
}

func orders() []clinic.RecordOrder {
	return append(clinic.RecordOrders(), "")
}

func (c chart) filters() map[string]clinic.RecordFilter {
	from, to := c.records[0].VisitDate.AddDate(0, 0, 1), c.records[0].VisitDate.AddDate(0, 0, 3)
	return map[string]clinic.RecordFilter{
		"all":            {},
		"type":           {Type: clinic.RecordDiagnosis},
		"patient":        {PatientID: c.mine.ID},
		"period":         {From: &from, To: &to},
		"all of them":    {PatientID: c.mine.ID, Type: clinic.RecordCheckup, From: &from, To: &to},
		"no such type":   {Type: clinic.RecordEmergency},
		"foreign":        {PatientID: c.foreign.ID},
		"missing":        {PatientID: 1 << 40},
		"empty interval": {From: &to, To: &from},
	}
}

// TestRecordsPageInEveryWay reads each list by number, by keyset forwards and
// by keyset back again, and expects the same records each time.
func TestRecordsPageInEveryWay(t *testing.T) {
	t.Parallel()
	c := newChart(t)
	for name, filter := range c.filters() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, order := range orders() {
				filter.Order = order
				for role, as := range map[string]clinic.Caller{"doctor": c.doctor, "patient": c.patient} {
					var of int64
					if role == "patient" {
						of = c.mine.ID
					}
					want := c.want(filter, of)
					for way, read := range map[string]func(*testing.T, clinic.Caller, clinic.RecordFilter, int) []int64{
						"number": c.byNumber, "keyset": c.byKeyset, "keyset back": c.byKeysetBack,
					} {
						got := read(t, as, filter, len(want))
						if diff := gocmp.Diff(want, got); diff != "" {
							t.Errorf("%s, order %q, %s:\n%s", role, order, way, diff)
						}
					}
				}
			}
		})
	}
}

const listSize = 4

func (c chart) read(t *testing.T, as clinic.Caller, filter clinic.RecordFilter, page clinic.PageRequest, total int) clinic.Page[clinic.Record] {
	t.Helper()
	page.Size = listSize
	got := testkit.Value(c.Records.List(t.Context(), as, filter, page))(t)
	if got.Total != total {
		t.Errorf("total = %d, want %d", got.Total, total)
	}
	return got
}

func (c chart) byNumber(t *testing.T, as clinic.Caller, filter clinic.RecordFilter, total int) []int64 {
	t.Helper()
	all := []int64{}
	for number := 1; ; number++ {
		page := c.read(t, as, filter, clinic.PageRequest{Number: number}, total)
		if len(page.Items) == 0 {
			return all
		}
		all = append(all, ids(page.Items)...)
	}
}

func (c chart) byKeyset(t *testing.T, as clinic.Caller, filter clinic.RecordFilter, total int) []int64 {
	t.Helper()
	all := []int64{}
	at := &clinic.Cursor{Keyset: true}
	for at != nil {
		page := c.read(t, as, filter, clinic.PageRequest{Cursor: *at}, total)
		all = append(all, ids(page.Items)...)
		at = page.Next
	}
	return all
}

func (c chart) byKeysetBack(t *testing.T, as clinic.Caller, filter clinic.RecordFilter, total int) []int64 {
	t.Helper()
	page := c.read(t, as, filter, clinic.PageRequest{Cursor: clinic.Cursor{Keyset: true}}, total)
	for page.Next != nil {
		page = c.read(t, as, filter, clinic.PageRequest{Cursor: *page.Next}, total)
	}
	all := ids(page.Items)
	for page.Previous != nil {
		page = c.read(t, as, filter, clinic.PageRequest{Cursor: *page.Previous}, total)
		all = append(ids(page.Items), all...)
	}
	return all
}

func TestRecordsCursorOfAnotherList(t *testing.T) {
	t.Parallel()
	c := newChart(t)
	_, err := c.Records.List(t.Context(), c.doctor, clinic.RecordFilter{}, clinic.PageRequest{
		Cursor: clinic.Cursor{Keyset: true, ID: 7, Key: "yesterday"},
	})
	wantCode(t, err, clinic.CodeInvalid)
}

func TestCommentsPageBothWays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	var want []string
	for i := range 9 {
		comment := f.db.Comment(testkit.CommentOptions{
			Record: c.record, Doctor: c.doctor, Text: string(rune('a' + i)), Private: i%3 == 1,
		})
		if !comment.Private {
			want = append(want, comment.Text)
		}
	}
	read := func(page clinic.PageRequest) clinic.Page[clinic.Comment] {
		page.Size = 2
		got := testkit.Value(f.Comments.List(t.Context(), c.asPatient(), c.record.ID, page))(t)
		if got.Total != len(want) {
			t.Errorf("total = %d, want %d", got.Total, len(want))
		}
		return got
	}
	page := read(clinic.PageRequest{Cursor: clinic.Cursor{Keyset: true}})
	forward := texts(page.Items)
	for page.Next != nil {
		page = read(clinic.PageRequest{Cursor: *page.Next})
		forward = append(forward, texts(page.Items)...)
	}
	back := texts(page.Items)
	for page.Previous != nil {
		page = read(clinic.PageRequest{Cursor: *page.Previous})
		back = append(texts(page.Items), back...)
	}
	numbered := append(texts(read(clinic.PageRequest{Number: 1}).Items), texts(read(clinic.PageRequest{Number: 2}).Items)...)
	numbered = append(numbered, texts(read(clinic.PageRequest{Number: 3}).Items)...)
	for way, got := range map[string][]string{"forward": forward, "back": back, "by number": numbered} {
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", way, diff)
		}
	}
	if beyond := read(clinic.PageRequest{Number: 8}); len(beyond.Items) != 0 {
		t.Errorf("page beyond the end = %+v", beyond)
	}
}
