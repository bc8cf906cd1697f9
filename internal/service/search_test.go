package service_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// search returns the first page of a query.
func (f fixture) search(t *testing.T, as clinic.Caller, query string) clinic.SearchResult {
	t.Helper()
	return f.searchBy(t, as, clinic.Search{Query: query}, clinic.PageRequest{Size: 100, Cursor: clinic.Cursor{Keyset: true}})
}

func (f fixture) searchBy(t *testing.T, as clinic.Caller, search clinic.Search, page clinic.PageRequest) clinic.SearchResult {
	t.Helper()
	as.Request.Operation = "searchRecords"
	found, err := f.Search.Records(t.Context(), as, search, page)
	if err != nil {
		t.Fatalf("searching %q: %v (cause: %v)", search.Query, err, cause(err))
	}
	return found
}

func idsOf(r clinic.SearchResult) []int64 {
	var all []int64
	for _, hit := range r.Items {
		all = append(all, hit.ID)
	}
	slices.Sort(all)
	return all
}

// index indexes all that waits, as a worker does.
func (f fixture) index(t *testing.T) {
	t.Helper()
	for {
		taken, err := f.Index.IndexPending(t.Context(), 100)
		testkit.Must(t, err)
		if taken == 0 {
			return
		}
	}
}

// eachWay runs the test before and after the records are indexed: the answers are the same.
func (f fixture) eachWay(t *testing.T, test func()) {
	t.Helper()
	test()
	f.index(t)
	if n := f.db.Count(`SELECT count(*) FROM search_pending`); n != 0 {
		t.Fatalf("%d changes wait", n)
	}
	test()
}

// written inserts a record of the patient with the title, in the language.
func (f fixture) written(patient clinic.Patient, language clinic.Language, title string) clinic.Record {
	r := f.db.Record(testkit.RecordOptions{Patient: patient, Title: title})
	f.db.Exec(`UPDATE health_records SET language = nullif($2, '') WHERE id = $1`, r.ID, string(language))
	return r
}

func TestSearchFindsWhatIsWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	one := f.written(c.patient, "en", "Chronic heart failure, running nose/cough. COVID-19")
	two := f.written(c.patient, "", "Failure of the heart valve; café")
	f.db.Exec(`UPDATE health_records SET diagnosis = 'Diabetes <b>mellitus</b> & hypertension 5.5' WHERE id = $1`, two.ID)
	f.written(f.db.Patient(testkit.PatientOptions{}), "en", "Chronic heart failure of somebody else")
	f.eachWay(t, func() {
		for query, want := range map[string][]int64{
			"heart":                     {one.ID, two.ID},
			"HEART failure":             {one.ID, two.ID},
			`"heart failure"`:           {one.ID},
			`"failure of the heart"`:    {two.ID},
			"heart -chronic":            {two.ID},
			`heart -"heart failure"`:    {two.ID},
			"run":                       {one.ID},
			"runs":                      {one.ID},
			"cough":                     {one.ID},
			"covid-19":                  {one.ID},
			"covid 19":                  {one.ID},
			"19":                        {one.ID},
			"diab*":                     {two.ID},
			"diab":                      nil,
			"mellitus":                  {two.ID},
			"hypertension 5.5":          {two.ID},
			"cafe":                      {two.ID},
			"CAFÉ":                      {two.ID},
			"the":                       {two.ID},
			"zebra":                     nil,
			"heart zebra":               nil,
			`annual`:                    {c.record.ID},
			`"valve diabetes"`:          nil, // the end of one text and the beginning of another
			"' \\ : & | ! ( ) < > cafe": {two.ID},
		} {
			for _, caller := range []clinic.Caller{c.asPatient(), c.asDoctor()} {
				found := f.search(t, caller, query)
				if diff := cmp.Diff(want, idsOf(found)); diff != "" || !found.Complete || found.Total != len(want) {
					t.Errorf("%s finds (- wanted, + found) %s complete: %t, total: %d", query, diff, found.Complete, found.Total)
				}
			}
			if found := f.search(t, c.asStranger(), query); found.Total != 0 || len(found.Items) != 0 || len(found.Suggestions) != 0 {
				t.Errorf("a doctor who is not assigned finds %d by %s", found.Total, query)
			}
		}
	})
}

// TestPrivateCommentsMatchForNoPatient searches for every word and beginning of a private comment.
func TestPrivateCommentsMatchForNoPatient(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor, Text: "Suspected melanoma", Private: true})
	f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor, Text: "Looks benign"})
	f.eachWay(t, func() {
		plain := f.search(t, c.asPatient(), "annual")
		for _, query := range []string{"melanoma", "melan*", `"suspected melanoma"`, "annual melanoma", "annual suspect*"} {
			if found := f.search(t, c.asPatient(), query); found.Total != 0 || len(found.Items) != 0 {
				t.Errorf("%s finds %d records of the patient", query, found.Total)
			}
			found := f.search(t, c.asDoctor(), query)
			if found.Total != 1 || len(found.Items) != 1 {
				t.Fatalf("%s finds %d records of the doctor", query, found.Total)
			}
			last := found.Items[0].Highlights[len(found.Items[0].Highlights)-1]
			if last.Field != "doctor_comments" || last.Text != "Suspected melanoma" || last.CommentID == 0 {
				t.Errorf("%s highlights %v", query, last)
			}
		}
		// An exclusion tells the patient no more.
		excluding := f.search(t, c.asPatient(), "annual -melanoma")
		if diff := cmp.Diff(plain.Items, excluding.Items); diff != "" {
			t.Errorf("the patient learns of the private comment by an exclusion:\n%s", diff)
		}
		if found := f.search(t, c.asDoctor(), "annual -melanoma"); found.Total != 0 {
			t.Error("the doctor's exclusion ignores private comments")
		}
		if both := f.search(t, c.asPatient(), "benign"); both.Total != 1 || len(both.Items[0].Comments) != 1 {
			t.Errorf("the patient finds %d by the public comment", both.Total)
		}
	})
	f.db.Exec(`UPDATE doctor_comments SET is_private = true`) // only a person with psql can
	if found := f.search(t, c.asPatient(), "benign"); found.Total != 0 {
		t.Error("a comment that has become private matches")
	}
}

func TestSearchShowsPagesInOneOrder(t *testing.T) {
	t.Parallel()
	c := newChart(t)
	for i := range 7 {
		c.written(c.mine, "", "Annual annual physical "+string(rune('a'+i)))
	}
	c.eachWay(t, func() {
		all := c.search(t, c.doctor, "annual")
		if all.Total != 40 || len(all.Items) != 40 || all.Next != nil || all.Previous != nil {
			t.Fatalf("%d of %d records", len(all.Items), all.Total)
		}
		for _, size := range []int{1, 3, 39, 40} {
			var forward []clinic.SearchHit
			page := clinic.PageRequest{Size: size, Cursor: clinic.Cursor{Keyset: true}}
			for {
				found := c.searchBy(t, c.doctor, clinic.Search{Query: "annual"}, page)
				forward = append(forward, found.Items...)
				if found.Next == nil {
					break
				}
				page.Cursor = *found.Next
				if back := c.searchBy(t, c.doctor, clinic.Search{Query: "annual"}, clinic.PageRequest{
					Size: size, Cursor: clinic.Cursor{Keyset: true, Back: true, Key: found.Next.Key, ID: found.Next.ID},
				}); len(found.Items) > 1 && back.Items[len(back.Items)-1].ID != found.Items[len(found.Items)-2].ID {
					t.Errorf("backward from %v is another order", found.Next)
				}
			}
			if diff := cmp.Diff(all.Items, forward); diff != "" {
				t.Errorf("pages of %d differ from the whole:\n%s", size, diff)
			}
		}
		for i := range all.Items[1:] {
			if all.Items[i].Rank < all.Items[i+1].Rank {
				t.Errorf("hit %d is better than the one before", i+1)
			}
		}
	})
	wrong := clinic.PageRequest{Size: 1, Cursor: clinic.Cursor{Keyset: true, Key: "NaN 2025-01-01T00:00:00Z", ID: 1}}
	_, err := c.Search.Records(t.Context(), c.doctor, clinic.Search{Query: "annual"}, wrong)
	wantCode(t, err, clinic.CodeInvalid)
}

func TestSearchFilters(t *testing.T) {
	t.Parallel()
	c := newChart(t)
	marked := c.written(c.mine, "", "Annual mistake")
	c.db.Exec(`UPDATE health_records SET record_type = 'ENTERED_IN_ERROR:CHECKUP', error_reason = 'wrong patient' WHERE id = $1`, marked.ID)
	day := c.records[0].VisitDate
	c.eachWay(t, func() {
		for _, filter := range []clinic.RecordFilter{
			{}, {Type: clinic.RecordDiagnosis}, {PatientID: c.mine.ID}, {PatientID: c.foreign.ID}, {From: &day}, {To: &day}, {Type: clinic.RecordCheckup, From: &day, PatientID: c.mine.ID},
		} {
			found := c.searchBy(t, c.doctor, clinic.Search{Query: "annual", Filter: clinic.RecordFilter{
				Type: filter.Type, PatientID: filter.PatientID, From: filter.From, To: filter.To,
			}}, clinic.PageRequest{Size: 100})
			want := c.want(filter, 0)
			slices.Sort(want)
			if got := idsOf(found); !slices.Equal(got, want) {
				t.Errorf("%+v finds %v, want %v", filter, got, want)
			}
		}
		found := c.searchBy(t, c.doctor, clinic.Search{Query: "annual", Filter: clinic.RecordFilter{EnteredInError: true}}, clinic.PageRequest{})
		if ids := idsOf(found); !slices.Equal(ids, []int64{marked.ID}) || found.Items[0].Type != clinic.RecordCheckup {
			t.Errorf("of the marked records %v are found", ids)
		}
	})
}

// TestNoWordIsHighlightedInPlaceOfAnother: Postgres leaves out words that are too long to be indexed, with their characters.
func TestNoWordIsHighlightedInPlaceOfAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.db.Exec(`UPDATE health_records SET description = repeat('a', 3000) || ' zoster, and more behind it' WHERE id = $1`, c.record.ID)
	found := f.search(t, c.asDoctor(), "zoster")
	if found.Total != 1 {
		t.Fatalf("%d records are found", found.Total)
	}
	for _, h := range found.Items[0].Highlights {
		for _, r := range h.Ranges {
			if got := string([]rune(h.Text)[r.Start:r.End]); got != "zoster" {
				t.Errorf("%q is highlighted", got)
			}
		}
	}
}

// TestSuggestionsAreFound: a word is suggested only if a search for it finds a record.
func TestSuggestionsAreFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	marked := f.written(c.patient, "", "Melanoma")
	f.db.Exec(`UPDATE health_records SET record_type = 'ENTERED_IN_ERROR:CHECKUP', error_reason = 'wrong patient' WHERE id = $1`, marked.ID)
	if found := f.search(t, c.asDoctor(), "melanona"); len(found.Suggestions) != 0 {
		t.Errorf("a record that was entered in error suggests %v", found.Suggestions)
	}
}

// TestSearchFollowsEveryChange: a search finds what was written a moment ago, and nothing that is gone.
func TestSearchFollowsEveryChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	finds := func(query string, want int) {
		t.Helper()
		for _, caller := range []clinic.Caller{c.asPatient(), c.asDoctor()} {
			if found := f.search(t, caller, query); found.Total != want || !found.Complete {
				t.Errorf("%s finds %d records, want %d (complete: %t)", query, found.Total, want, found.Complete)
			}
		}
	}
	visit := clinic.RecordFields{Type: clinic.RecordCheckup, Title: "Sudden migraine", VisitDate: c.record.VisitDate, Language: "en"}
	created, err := f.Records.Create(t.Context(), c.asPatient(), visit, clinic.Idempotency{})
	testkit.Must(t, err)
	finds("migraines", 1)
	f.index(t)
	finds("migraines", 1)
	title := "Sudden vertigo"
	_, err = f.Records.Update(t.Context(), c.asPatient(), created.ID, clinic.RecordChange{Title: &title}, nil)
	testkit.Must(t, err)
	finds("migraine", 0)
	finds("vertigo", 1)
	comment, err := f.Comments.Add(t.Context(), c.asDoctor(), created.ID, "Perhaps labyrinthitis", false, clinic.Idempotency{})
	testkit.Must(t, err)
	finds("labyrinthitis", 1)
	f.index(t)
	corrected := "Certainly neuritis"
	_, err = f.Comments.Correct(t.Context(), c.asDoctor(), comment.ID, &corrected, nil)
	testkit.Must(t, err)
	finds("labyrinthitis", 0)
	finds("neuritis", 1)
	testkit.Must(t, f.Records.Delete(t.Context(), c.asPatient(), created.ID, nil))
	finds("vertigo", 0)
	finds("neuritis", 0)
	f.index(t)
	finds("vertigo", 0)
	if n := f.db.Count(`SELECT count(*) FROM record_search WHERE record_id = $1`, created.ID); n != 0 {
		t.Error("the words of a deleted record are kept")
	}
	f.db.EndAssignment(c.assignment)
	if found := f.search(t, c.asDoctor(), "annual"); found.Total != 0 {
		t.Error("a doctor whose assignment has ended finds the record")
	}
}

// TestSearchTellsWhenItIsNotComplete: with more changes than one search reads, and while the first run is not over.
func TestSearchTellsWhenItIsNotComplete(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.index(t)
	private := `INSERT INTO search_pending (record_id, patient_id, private) SELECT i, $1, true FROM generate_series(1000000, 1000300) i`
	f.db.Exec(private, c.patient.ID)
	if !f.search(t, c.asPatient(), "annual").Complete {
		t.Error("a patient learns of private comments")
	}
	if found := f.search(t, c.asDoctor(), "annual"); found.Complete || found.Total != 1 {
		t.Errorf("with 301 changes, complete: %t, %d found", found.Complete, found.Total)
	}
	f.index(t)
	f.db.Exec(`UPDATE search_reindex SET filled_at = NULL, finished_at = NULL, next_id = 0, last_id = (SELECT max(id) FROM health_records)`)
	f.db.Exec(`DELETE FROM record_search`)
	if found := f.search(t, c.asDoctor(), "annual"); found.Complete || found.Total != 0 {
		t.Errorf("before the first run, complete: %t, %d found", found.Complete, found.Total)
	}
	for range 2 { // the records, and then the end
		_, err := f.Index.Reindex(t.Context(), 100)
		testkit.Must(t, err)
	}
	if found := f.search(t, c.asDoctor(), "annual"); !found.Complete || found.Total != 1 {
		t.Errorf("after the first run, complete: %t, %d found", found.Complete, found.Total)
	}
}

// Each search has one audit row with what it showed. Administrators do not search.
func TestSearchesAreAudited(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	other := f.db.Patient(testkit.PatientOptions{})
	second := f.db.Assignment(testkit.AssignmentOptions{Patient: other, Doctor: c.doctor})
	r := f.db.Record(testkit.RecordOptions{Patient: other, VisitDate: c.record.VisitDate.AddDate(-1, 0, 0)})
	expect := func(want string) {
		t.Helper()
		var got string
		testkit.Must(t, f.db.Pool.QueryRow(t.Context(), `SELECT format('%s %s %s %s %s %s', operation, object_kind, patient_ids, assignment_ids, record_ids, decision)
			FROM audit_log ORDER BY id DESC LIMIT 1`).Scan(&got))
		if n := f.db.Count(`SELECT count(*) FROM audit_log`); got != want || n != 1 {
			t.Errorf("%d audit rows, the last is %s, want %s", n, got, want)
		}
		f.db.Exec(`DELETE FROM audit_log`)
	}
	f.search(t, c.asDoctor(), "annual")
	expect(fmt.Sprintf("searchRecords record {%d,%d} {%d,%d} {%d,%d} allowed", c.patient.ID, other.ID, c.assignment.ID, second.ID, c.record.ID, r.ID))
	first := f.searchBy(t, c.asDoctor(), clinic.Search{Query: "annual"}, clinic.PageRequest{Size: 1, Cursor: clinic.Cursor{Keyset: true}})
	expect(fmt.Sprintf("searchRecords record {%d} {%d} {%d} allowed", c.patient.ID, c.assignment.ID, c.record.ID))
	next := f.searchBy(t, c.asDoctor(), clinic.Search{Query: "annual"}, clinic.PageRequest{Size: 1, Cursor: *first.Next})
	expect(fmt.Sprintf("searchRecords record {%d} {%d} {%d} allowed", other.ID, second.ID, r.ID))
	f.searchBy(t, c.asDoctor(), clinic.Search{Query: "annual"}, clinic.PageRequest{Size: 1, Cursor: *next.Previous})
	expect(fmt.Sprintf("searchRecords record {%d} {%d} {%d} allowed", c.patient.ID, c.assignment.ID, c.record.ID))
	f.search(t, c.asPatient(), "zebra")
	expect("searchRecords record {} {} {} allowed")
	f.searchBy(t, c.asDoctor(), clinic.Search{Query: "zebra", Filter: clinic.RecordFilter{PatientID: other.ID}}, clinic.PageRequest{})
	expect(fmt.Sprintf("searchRecords patient {%d} {%d} {} allowed", other.ID, second.ID))
	admin := testkit.CallerOf(f.db.Admin())
	admin.Request.Operation = "searchRecords"
	_, err := f.Search.Records(t.Context(), admin, clinic.Search{Query: "annual"}, clinic.PageRequest{})
	wantCode(t, err, clinic.CodeForbidden)
	expect("searchRecords record {} {}  forbidden")
}

// FuzzSearch searches for anything: it is searched for, or refused as wrong, but never an internal error.
func FuzzSearch(f *testing.F) {
	fix := newFixture(f)
	c := fix.care()
	var searched []clinic.Record
	for _, language := range clinic.Languages() {
		searched = append(searched, fix.written(c.patient, language, "Annual physical "+string(language)))
	}
	fix.db.Exec(`SELECT index_pending_records(3, 'simple')`) // the others wait
	for _, seed := range []string{
		"annual", `"annual physical" -diab*`, `' " \ : * & | ! ( ) < > @ #`, `a:*`, `\'`, `'\'':*`, "-", `"`, "ŉ* ½ İ* ß ẞ* Å* \u0301 \u200d 😀*", "a\u00a0b",
		"%s %d $1 ${x}", "\x00", "\xff", "<b>annual</b>", "http://annual/physical?x=1", "5.5e10 1e999 -1 +1", strings.Repeat("a*", 100), strings.Repeat("é", 200),
		"ª* º* ²* ﬁ* ℃* Ⅷ*", "x1e5* 0x1f* v1.2.3*",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, caller := range []clinic.Caller{c.asPatient(), c.asDoctor()} {
			found, err := fix.Search.Records(t.Context(), caller, clinic.Search{Query: query}, clinic.PageRequest{})
			if code := clinic.CodeOf(err); code != "" && code != clinic.CodeInvalid {
				t.Errorf("%q is answered with %v (cause: %v)", query, err, cause(err))
			}
			if found.Total > len(searched)+1 {
				t.Errorf("%q finds %d records", query, found.Total)
			}
		}
	})
}
