package service_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// TestNoVersionIsLostAmongWriters lets changes, deletions and restorations of one record meet. Each text that a request was
// answered with is in the history, and each version once.
func TestNoVersionIsLostAmongWriters(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	titles := make(chan string, 100)
	allowed := []clinic.Code{"", clinic.CodeNotFound, clinic.CodeInvalid} // of a record that is deleted meanwhile, or restored
	writers := map[string]func(i int) error{
		"change": func(i int) error {
			title := fmt.Sprintf("Title %d", i)
			_, err := f.Records.Update(ctx, c.asPatient(), c.record.ID, clinic.RecordChange{Title: &title}, nil)
			if err == nil {
				titles <- title
			}
			return err
		},
		"delete": func(int) error { return f.Records.Delete(ctx, c.asPatient(), c.record.ID, nil) },
		"restore": func(i int) error {
			_, err := f.Records.Restore(ctx, c.asPatient(), c.record.ID, int64(i%2), nil)
			return err
		},
		"restore too": func(int) error {
			_, err := f.Records.Restore(ctx, c.asPatient(), c.record.ID, 0, nil)
			return err
		},
	}
	var done sync.WaitGroup
	for name, write := range writers {
		done.Go(func() {
			for i := range 25 {
				if err := write(i); !slices.Contains(allowed, clinic.CodeOf(err)) {
					t.Errorf("%s: %v (%v)", name, err, cause(err))
				}
			}
		})
	}
	done.Wait()

	kept := map[string]bool{}
	request := clinic.PageRequest{Size: clinic.MaxPageSize}
	page := testkit.Value(f.Records.Versions(ctx, c.asDoctor(), c.record.ID, request))(t)
	versions := page.Items
	for page.Next != nil {
		request.Cursor = *page.Next
		page = testkit.Value(f.Records.Versions(ctx, c.asDoctor(), c.record.ID, request))(t)
		versions = append(versions, page.Items...)
	}
	for i, v := range versions {
		kept[v.Title] = true
		if want := int64(len(versions) - i); v.Version != want {
			t.Fatalf("version %d stands where %d should", v.Version, want)
		}
	}
	close(titles)
	for title := range titles {
		if !kept[title] {
			t.Errorf("%q is lost", title)
		}
	}
	if page.Total != len(versions) || len(versions) < 3 {
		t.Errorf("%d versions of %d", len(versions), page.Total)
	}
}
