package service_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/store"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// staleRows counts records whose row in the index is missing or is not what it would be now, and rows without a record.
const staleRows = `SELECT count(*) FROM record_vectors(ARRAY(SELECT id FROM health_records), 'simple') v
	FULL JOIN record_search s ON s.record_id = v.record_id
	WHERE (s.record_type, s.visit_date, s.language, s.public, s.private) IS DISTINCT FROM (v.record_type, v.visit_date, v.language, v.public, v.private)`

// TestIndexersAndWritersRace lets several workers index, and the run over all records begin again, while patients and doctors
// change records. In the end, every row is that of the last change.
func TestIndexersAndWritersRace(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := newFixtureOn(t, dsn)
	c := f.care()
	records := []clinic.Record{c.record}
	for range 9 {
		records = append(records, f.db.Record(testkit.RecordOptions{Patient: c.patient}))
	}
	owner := service.NewSearchIndex(rights.Open(t, store.Options{URL: dsn, MaxConns: 2}), "")
	indexing, stop := context.WithCancel(t.Context())
	var writers, indexers sync.WaitGroup
	for i := range 3 {
		indexers.Go(func() {
			for n := i; indexing.Err() == nil; n++ {
				_, errPending := f.Index.IndexPending(indexing, 1+n%3)
				_, errRun := f.Index.Reindex(indexing, 1+n%3)
				if indexing.Err() == nil && (errPending != nil || errRun != nil) {
					t.Errorf("indexing: %v, %v", errPending, errRun)
				}
			}
		})
	}
	for i := range 4 {
		writers.Go(func() {
			for n := range 25 {
				r := records[(i+n)%len(records)]
				title := fmt.Sprintf("Title %d of writer %d", n, i)
				_, err := f.Records.Update(t.Context(), c.asPatient(), r.ID, clinic.RecordChange{Title: &title}, nil)
				if err == nil && n%5 == 0 {
					_, err = f.Comments.Add(t.Context(), c.asDoctor(), r.ID, title, n%2 == 0, clinic.Idempotency{})
				}
				if err == nil && n%10 == 0 {
					err = owner.Restart(t.Context())
				}
				if err != nil {
					t.Errorf("writing: %v (cause: %v)", err, cause(err))
				}
			}
		})
	}
	writers.Wait()
	stop()
	indexers.Wait()
	f.index(t)
	if n := f.db.Count(staleRows); n != 0 {
		t.Errorf("%d rows of the index are stale", n)
	}
}

// TestTheIndexerWaitsForWhoeverDeletes: a transaction that deletes several records, as an erasure does, does not meet the
// indexer in the other order, and records that are gone by then are left out.
func TestTheIndexerWaitsForWhoeverDeletes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.index(t) // the first record is in the index, the second one is not
	f.db.Record(testkit.RecordOptions{Patient: c.patient})
	f.db.Exec(`UPDATE health_records SET title = 'changed' WHERE id = $1`, c.record.ID)
	tx := testkit.Value(f.db.Pool.Begin(t.Context()))(t)
	testkit.Value(tx.Exec(t.Context(), `SELECT FROM health_records ORDER BY id FOR UPDATE`))(t)
	indexed := make(chan error, 1)
	go func() {
		_, err := f.Index.IndexPending(t.Context(), 100)
		indexed <- err
	}()
	meetingOf{registry: registry{fixture: f}}.waiting(t, 1, indexed)
	testkit.Value(tx.Exec(t.Context(), `DELETE FROM health_records`))(t)
	testkit.Must(t, tx.Commit(t.Context()))
	testkit.Must(t, <-indexed)
	if n := f.db.Count(`SELECT count(*) FROM record_search`); n != 0 {
		t.Errorf("%d rows of deleted records are left", n)
	}
}

// TestReindexingGoesOnWhereItStopped counts the records, which nobody indexes twice.
func TestReindexingGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := newFixtureOn(t, dsn)
	c := f.care()
	for range 9 {
		f.db.Record(testkit.RecordOptions{Patient: c.patient})
	}
	f.db.Exec(`DELETE FROM search_pending`)
	testkit.Must(t, service.NewSearchIndex(rights.Open(t, store.Options{URL: dsn, MaxConns: 2}), "").Restart(t.Context()))
	state := func() clinic.SearchState { return testkit.Value(f.Index.State(t.Context()))(t) }
	for i, want := range []int{4, 4, 2, 0, 0} {
		indexed, err := f.Index.Reindex(t.Context(), 4)
		testkit.Must(t, err)
		if indexed != want || state().Finished != (i >= 3) {
			t.Errorf("turn %d indexed %d records: %+v", i, indexed, state())
		}
	}
	if s := state(); s.Indexed != 10 || s.Progress() != 1 || s.Pending != 0 {
		t.Errorf("the state is %+v", s)
	}
	if n := f.db.Count(staleRows); n != 0 {
		t.Errorf("%d rows of the index are stale", n)
	}
	// Another default language takes effect with the next run. Until then the former one is used.
	german := service.NewSearchIndex(rights.OpenAs(t, dsn, schema.PartWorker, store.Options{MaxConns: 2}), clinic.LanguageGerman)
	f.db.Exec(`UPDATE health_records SET title = 'Entzündungen' WHERE id = $1`, c.record.ID)
	f.index(t)
	if found := f.search(t, c.asDoctor(), "entzündung"); found.Total != 0 {
		t.Error("without word forms, another one is found")
	}
	testkit.Must(t, service.NewSearchIndex(rights.Open(t, store.Options{URL: dsn, MaxConns: 2}), "").Restart(t.Context()))
	if found := f.search(t, c.asDoctor(), "entzündungen"); found.Total != 1 || !found.Complete {
		t.Errorf("during the run, %d are found", found.Total)
	}
	testkit.Value(german.Reindex(t.Context(), 100))(t)
	if found := f.search(t, c.asDoctor(), "entzündung"); found.Total != 1 {
		t.Error("after the run, the form is not found")
	}
}

// TestWorkersTellNothingOfRecords: the worker's role indexes by functions, and cannot read the words.
func TestWorkersTellNothingOfRecords(t *testing.T) {
	t.Parallel()
	dsn := testkit.NewDatabase(t, rights.Migrate)
	f := newFixtureOn(t, dsn)
	f.care()
	f.index(t)
	for _, part := range []schema.Part{schema.PartWorker, schema.PartServer, schema.PartController} {
		db := testkit.NewFactory(t, rights.URL(t, dsn, part))
		for _, sql := range []string{`SELECT FROM record_search`, `SELECT FROM search_pending`, `SELECT record_vectors('{1}', 'en')`, `SELECT index_records('{1}', 'en')`} {
			if _, err := db.Pool.Exec(t.Context(), sql); err == nil {
				t.Errorf("the %s may run %s", part, sql)
			}
		}
	}
}

// TestTheLongestRecordIsIndexed: its texts are as long as they may be, with many different words of many bytes each, and it
// has more comments than are searched.
func TestTheLongestRecordIsIndexed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	words := func(from, characters int) string {
		var text []rune
		for n := from; len(text) < characters-6; n++ { // letters of four bytes each
			text = append(text, rune(0x20000+n%40000), rune(0x20000+n/200), ' ')
		}
		return string(text)
	}
	f.db.Exec(`UPDATE health_records SET language = 'de', description = $2, symptoms = $3, diagnosis = $4, treatment = $5, medications = $6 WHERE id = $1`,
		c.record.ID, words(0, clinic.MaxText), words(4000, clinic.MaxText), words(8000, clinic.MaxText), words(12000, clinic.MaxText), words(16000, clinic.MaxText))
	for i := range 12 {
		f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor, Text: words(20000+i*1700, clinic.MaxComment), Private: i%2 == 0})
	}
	f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor, Text: "The latest public one"})
	f.eachWay(t, func() {
		for _, query := range []string{"annual", "latest", "annual -zebra", words(16000, 10)} {
			if found := f.search(t, c.asDoctor(), query); found.Total != 1 {
				t.Errorf("%q finds %d records", query, found.Total)
			}
		}
	})
}
