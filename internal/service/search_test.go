package service_test

import (
	"slices"
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
func (f fixture) eachWay(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Run("pending", test)
	f.index(t)
	if n := f.db.Count(`SELECT count(*) FROM search_pending`); n != 0 {
		t.Fatalf("%d changes wait", n)
	}
	t.Run("indexed", test)
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
	f.eachWay(t, func(t *testing.T) {
		for query, want := range map[string][]int64{
			"heart":                    {one.ID, two.ID},
			"HEART failure":            {one.ID, two.ID},
			`"heart failure"`:          {one.ID},
			`"failure of the heart"`:   {two.ID},
			"heart -chronic":           {two.ID},
			`heart -"heart failure"`:   {two.ID},
			"run":                      {one.ID},
			"runs":                     {one.ID},
			"cough":                    {one.ID},
			"covid-19":                 {one.ID},
			"covid 19":                 {one.ID},
			"19":                       {one.ID},
			"diab*":                    {two.ID},
			"diab":                     nil,
			"mellitus":                 {two.ID},
			"hypertension 5.5":         {two.ID},
			"cafe":                     {two.ID},
			"CAFÉ":                     {two.ID},
			"the":                      {two.ID},
			"zebra":                    nil,
			"heart zebra":              nil,
			`annual`:                   {c.record.ID},
			`"valve diabetes"`:         nil, // the end of one text and the beginning of another
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
