package service_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

// retitle changes the title of the record.
func (f fixture) retitle(t testing.TB, c care, title string) clinic.Record {
	t.Helper()
	return testkit.Value(f.Records.Update(t.Context(), c.asPatient(), c.record.ID, clinic.RecordChange{Title: &title}, nil))(t)
}

// history returns the versions of the record, the latest first.
func (f fixture) history(t testing.TB, as clinic.Caller, id int64) []clinic.RecordVersion {
	t.Helper()
	page := testkit.Value(f.Records.Versions(t.Context(), as, id, clinic.PageRequest{}))(t)
	if page.Total != len(page.Items) {
		t.Errorf("%d versions of %d", len(page.Items), page.Total)
	}
	return page.Items
}

// TestEveryChangeKeepsTheVersionBefore makes changes of each kind, and reads what the record was.
func TestEveryChangeKeepsTheVersionBefore(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	f.retitle(t, c, "Second")
	wrong := testkit.Value(f.Records.MarkInError(ctx, c.asPatient(), c.record.ID, "of somebody else", nil))(t)
	if wrong.ErrorReason != "of somebody else" || wrong.Type != clinic.RecordCheckup {
		t.Errorf("the marked record = %+v", wrong)
	}
	kind := clinic.RecordEmergency
	testkit.Value(f.Records.Update(ctx, c.asPatient(), c.record.ID, clinic.RecordChange{Type: &kind}, nil))(t)
	testkit.Value(f.Records.MarkInError(ctx, c.asPatient(), c.record.ID, "", nil))(t)
	testkit.Must(t, f.Records.Delete(ctx, c.asPatient(), c.record.ID, nil))

	type state struct {
		Version       int64
		Title, Reason string
		Type          clinic.RecordType
		Changed       []string
		By            string
		Deleted       bool
	}
	want := []state{
		{5, "Second", "", clinic.RecordEmergency, []string{"error_reason"}, c.patient.User.Username, true},
		{4, "Second", "of somebody else", clinic.RecordEmergency, []string{"record_type"}, c.patient.User.Username, false},
		{3, "Second", "of somebody else", clinic.RecordCheckup, []string{"error_reason"}, c.patient.User.Username, false},
		{2, "Second", "", clinic.RecordCheckup, []string{"title"}, c.patient.User.Username, false},
		{1, "Annual Physical", "", clinic.RecordCheckup, []string{}, c.patient.User.Username, false},
	}
	for name, as := range map[string]clinic.Caller{"patient": c.asPatient(), "doctor": c.asDoctor()} {
		var got []state
		for _, v := range f.history(t, as, c.record.ID) {
			got = append(got, state{v.Version, v.Title, v.ErrorReason, v.Type, v.Changed, v.ChangedBy.Username, v.DeletedAt != nil})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", name, diff)
		}
	}
	changes := testkit.Value(f.Records.Compare(ctx, c.asDoctor(), c.record.ID, 1, 4))(t)
	if diff := cmp.Diff([]clinic.FieldChange{
		{Field: "record_type", From: "CHECKUP", To: "EMERGENCY"},
		{Field: "title", From: "Annual Physical", To: "Second"},
		{Field: "error_reason", From: "", To: "of somebody else"},
	}, changes); diff != "" {
		t.Errorf("differences:\n%s", diff)
	}
	third := testkit.Value(f.Records.Version(ctx, c.asDoctor(), c.record.ID, 3))(t)
	if third.Version != 3 || third.Title != "Second" {
		t.Errorf("version 3 = %+v", third)
	}
}

// TestTheLanguageIsPartOfAVersion changes the language of a record, and restores the first version.
func TestTheLanguageIsPartOfAVersion(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	for _, language := range []clinic.Language{clinic.LanguageGerman, clinic.LanguageFrench} {
		testkit.Value(f.Records.Update(ctx, c.asPatient(), c.record.ID, clinic.RecordChange{Language: &language}, nil))(t)
	}
	changes := testkit.Value(f.Records.Compare(ctx, c.asDoctor(), c.record.ID, 1, 2))(t)
	if diff := cmp.Diff([]clinic.FieldChange{{Field: "language", From: "", To: "de"}}, changes); diff != "" {
		t.Errorf("differences:\n%s", diff)
	}
	restored := testkit.Value(f.Records.Restore(ctx, c.asPatient(), c.record.ID, 2, nil))(t)
	if restored.Language != clinic.LanguageGerman || f.history(t, c.asDoctor(), c.record.ID)[0].Language != clinic.LanguageGerman {
		t.Errorf("the restored record is in %q", restored.Language)
	}
}

// TestTheReasonOfAMarkIsChecked: what cannot be stored or seen is refused, and nothing changes.
func TestTheReasonOfAMarkIsChecked(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	for _, reason := range []string{" ", "\n", "a\x00b", "a\x01b", "\u200b", strings.Repeat("x", clinic.MaxReason+1)} {
		_, err := f.Records.MarkInError(ctx, c.asPatient(), c.record.ID, reason, nil)
		if clinic.CodeOf(err) != clinic.CodeInvalid || !strings.Contains(err.Error(), "reason: ") {
			t.Errorf("%q: %v", reason, err)
		}
	}
	if marked := testkit.Value(f.Records.MarkInError(ctx, c.asPatient(), c.record.ID, " of another person ", nil))(t); marked.ErrorReason != "of another person" {
		t.Errorf("the reason is %q", marked.ErrorReason)
	}
}

// TestARestoreSaysWhatIsMissing: the version, also where the record is deleted.
func TestARestoreSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	missing := func() {
		t.Helper()
		_, err := f.Records.Restore(ctx, c.asPatient(), c.record.ID, 9, nil)
		if wantCode(t, err, clinic.CodeNotFound); err == nil || !strings.Contains(err.Error(), "no such version") {
			t.Error(err)
		}
	}
	missing()
	testkit.Must(t, f.Records.Delete(ctx, c.asPatient(), c.record.ID, nil))
	missing()
}

// TestVersionsArePaged goes forward and back.
func TestVersionsArePaged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.retitle(t, c, "Second")
	f.retitle(t, c, "Third")
	numbers := func(page clinic.Page[clinic.RecordVersion]) (n []int64) {
		for _, v := range page.Items {
			n = append(n, v.Version)
		}
		return n
	}
	read := func(request clinic.PageRequest) clinic.Page[clinic.RecordVersion] {
		request.Size = 2
		return testkit.Value(f.Records.Versions(t.Context(), c.asDoctor(), c.record.ID, request))(t)
	}
	first := read(clinic.PageRequest{})
	second := read(clinic.PageRequest{Cursor: *first.Next})
	back := read(clinic.PageRequest{Cursor: *second.Previous})
	beyond := read(clinic.PageRequest{Number: 9})
	if diff := cmp.Diff([][]int64{{3, 2}, {1}, {3, 2}, nil}, [][]int64{numbers(first), numbers(second), numbers(back), numbers(beyond)}); diff != "" {
		t.Error(diff)
	}
	if first.Total != 3 || second.Total != 3 || beyond.Total != 3 || second.Next != nil || first.Previous != nil {
		t.Errorf("totals %d, %d, %d", first.Total, second.Total, beyond.Total)
	}
}

// TestHistoryIsForThoseWhoMayReadTheRecord asks for all that is left of a record, before and after its deletion.
func TestHistoryIsForThoseWhoMayReadTheRecord(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	comment := f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor})
	private := f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor, Private: true})
	f.retitle(t, c, "Second")
	ways := map[string]func(as clinic.Caller, record, comment int64) error{
		"versions": func(as clinic.Caller, record, _ int64) error {
			_, err := f.Records.Versions(ctx, as, record, clinic.PageRequest{})
			return err
		},
		"version": func(as clinic.Caller, record, _ int64) error {
			_, err := f.Records.Version(ctx, as, record, 1)
			return err
		},
		"difference": func(as clinic.Caller, record, _ int64) error {
			_, err := f.Records.Compare(ctx, as, record, 1, 2)
			return err
		},
		"comment": func(as clinic.Caller, _, comment int64) error {
			_, err := f.Comments.Versions(ctx, as, comment, clinic.PageRequest{})
			return err
		},
	}
	other, admin := testkit.CallerOf(f.db.Patient(testkit.PatientOptions{}).User), testkit.CallerOf(f.db.Admin())
	check := func(when string, doctor clinic.Code) {
		t.Helper()
		for name, ask := range ways {
			for who, want := range map[string]struct {
				as   clinic.Caller
				code clinic.Code
			}{
				"patient": {c.asPatient(), ""}, "doctor": {c.asDoctor(), doctor}, "stranger": {c.asStranger(), clinic.CodeNotFound},
				"other patient": {other, clinic.CodeNotFound}, "administrator": {admin, clinic.CodeForbidden},
			} {
				if got := clinic.CodeOf(ask(want.as, c.record.ID, comment.ID)); got != want.code {
					t.Errorf("%s, %s of the %s: code = %q, want %q", when, name, who, got, want.code)
				}
			}
			if got := clinic.CodeOf(ask(c.asPatient(), 1<<40, private.ID)); got != clinic.CodeNotFound {
				t.Errorf("%s, %s that is missing or private: code = %q", when, name, got)
			}
		}
		_, err := f.Records.GetDeleted(ctx, c.asDoctor(), c.record.ID)
		if got, want := clinic.CodeOf(err), clinic.CodeNotFound; when == "before" && got != want || when == "deleted" && got != doctor {
			t.Errorf("%s, the doctor gets a deleted record with code %q", when, got)
		}
	}
	check("before", "")
	testkit.Must(t, f.Records.Delete(ctx, c.asPatient(), c.record.ID, nil))
	check("deleted", "")
	f.db.EndAssignment(c.assignment)
	check("over", clinic.CodeNotFound)
	if page := testkit.Value(f.Records.List(ctx, c.asDoctor(), clinic.RecordFilter{Deleted: true}, clinic.PageRequest{}))(t); page.Total != 0 || len(page.Items) != 0 {
		t.Errorf("a doctor whose assignment is over lists %d of %d deleted records", len(page.Items), page.Total)
	}
}

// TestADeletedRecordStaysWithItsComments reads, and then restores it.
func TestADeletedRecordStaysWithItsComments(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	comment := testkit.Value(f.Comments.Add(ctx, c.asDoctor(), c.record.ID, "public", false, noKey))(t)
	testkit.Value(f.Comments.Add(ctx, c.asDoctor(), c.record.ID, "private", true, noKey))(t)
	before := testkit.Value(f.Records.Get(ctx, c.asDoctor(), c.record.ID))(t)
	testkit.Must(t, f.Records.Delete(ctx, c.asPatient(), c.record.ID, nil))

	_, err := f.Records.Get(ctx, c.asDoctor(), c.record.ID)
	wantCode(t, err, clinic.CodeNotFound)
	wantCode(t, f.Records.Delete(ctx, c.asPatient(), c.record.ID, nil), clinic.CodeNotFound)
	_, err = f.Comments.Add(ctx, c.asDoctor(), c.record.ID, "too late", false, noKey)
	wantCode(t, err, clinic.CodeNotFound)
	text := "corrected"
	_, err = f.Comments.Correct(ctx, c.asDoctor(), comment.ID, &text, nil)
	wantCode(t, err, clinic.CodeNotFound)

	for name, test := range map[string]struct {
		as   clinic.Caller
		want []string
	}{"patient": {c.asPatient(), []string{"public"}}, "doctor": {c.asDoctor(), []string{"public", "private"}}} {
		got := testkit.Value(f.Records.GetDeleted(ctx, test.as, c.record.ID))(t)
		if diff := cmp.Diff(test.want, texts(got.Comments)); diff != "" || got.DeletedAt == nil || got.RecordFields != before.RecordFields {
			t.Errorf("%s: comments %s of %+v", name, diff, got)
		}
	}
	restored := testkit.Value(f.Records.Restore(ctx, c.asPatient(), c.record.ID, 0, nil))(t)
	read := testkit.Value(f.Records.Get(ctx, c.asPatient(), c.record.ID))(t)
	if diff := cmp.Diff(read, restored); diff != "" {
		t.Errorf("read (-) and answered (+) differ:\n%s", diff)
	}
	if restored.Version != before.Version+1 || restored.RecordFields != before.RecordFields || !restored.CreatedAt.Equal(before.CreatedAt) {
		t.Errorf("restored = %+v", restored)
	}
	_, err = f.Records.GetDeleted(ctx, c.asPatient(), c.record.ID)
	wantCode(t, err, clinic.CodeNotFound)
	if versions := f.history(t, c.asDoctor(), c.record.ID); len(versions) != 2 || versions[1].DeletedAt == nil || versions[1].RestoredAt == nil {
		t.Errorf("versions = %+v", versions)
	}
}

func TestRestoreAVersion(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	shown := f.retitle(t, c, "Second").Revision()
	f.retitle(t, c, "Third")
	restore := func(version int64, expect ...clinic.Revision) (clinic.Record, error) {
		return f.Records.Restore(ctx, c.asPatient(), c.record.ID, version, expect)
	}
	_, err := restore(0)
	wantCode(t, err, clinic.CodeInvalid)
	_, err = restore(9)
	wantCode(t, err, clinic.CodeNotFound)
	_, err = restore(1, shown)
	wantCode(t, err, clinic.CodePreconditionFailed)
	_, err = f.Records.Restore(ctx, testkit.CallerOf(f.db.Patient(testkit.PatientOptions{}).User), c.record.ID, 1, nil)
	wantCode(t, err, clinic.CodeNotFound)
	_, err = f.Records.Restore(ctx, c.asDoctor(), c.record.ID, 1, nil)
	wantCode(t, err, clinic.CodeForbidden)

	if got := testkit.Value(restore(1))(t); got.Title != "Annual Physical" || got.Version != 4 {
		t.Errorf("restored = %+v", got)
	}
	if got := testkit.Value(restore(1))(t); got.Version != 4 {
		t.Errorf("restoring what is there made version %d", got.Version)
	}
	testkit.Must(t, f.Records.Delete(ctx, c.asPatient(), c.record.ID, nil))
	_, err = restore(9)
	wantCode(t, err, clinic.CodeNotFound)
	if got := testkit.Value(restore(2))(t); got.Title != "Second" || got.Version != 5 || got.DeletedAt != nil {
		t.Errorf("restored = %+v", got)
	}
}

// TestListsLeaveOutWhatIsDeletedOrWrong lists, counts and filters records in each state.
func TestListsLeaveOutWhatIsDeletedOrWrong(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	named := func(title string, kind clinic.RecordType) int64 {
		return f.db.Record(testkit.RecordOptions{Patient: c.patient, Title: title, Type: kind}).ID
	}
	wrong, gone, both := named("wrong", clinic.RecordLabResult), named("gone", clinic.RecordCheckup), named("both", clinic.RecordCheckup)
	for _, id := range []int64{wrong, both} {
		testkit.Value(f.Records.MarkInError(ctx, c.asPatient(), id, "mixed up", nil))(t)
	}
	for _, id := range []int64{gone, both} {
		testkit.Must(t, f.Records.Delete(ctx, c.asPatient(), id, nil))
	}
	for name, test := range map[string]struct {
		filter clinic.RecordFilter
		want   []string
	}{
		"all":                          {clinic.RecordFilter{}, []string{"Annual Physical"}},
		"wrong":                        {clinic.RecordFilter{EnteredInError: true}, []string{"wrong"}},
		"wrong, of another type":       {clinic.RecordFilter{EnteredInError: true, Type: clinic.RecordCheckup}, nil},
		"of the type of the wrong one": {clinic.RecordFilter{Type: clinic.RecordLabResult}, nil},
		"deleted":                      {clinic.RecordFilter{Deleted: true}, []string{"both", "gone"}},
		"deleted, by creation":         {clinic.RecordFilter{Deleted: true, Order: clinic.OrderCreatedAsc}, []string{"gone", "both"}},
		"deleted and wrong":            {clinic.RecordFilter{Deleted: true, EnteredInError: true}, []string{"both"}},
		"deleted, of a type":           {clinic.RecordFilter{Deleted: true, Type: clinic.RecordLabResult}, nil},
		"deleted, of the patient":      {clinic.RecordFilter{Deleted: true, PatientID: c.patient.ID, From: &c.record.VisitDate}, []string{"both", "gone"}},
	} {
		for who, as := range map[string]clinic.Caller{"patient": c.asPatient(), "doctor": c.asDoctor()} {
			page := testkit.Value(f.Records.List(ctx, as, test.filter, clinic.PageRequest{}))(t)
			var titles []string
			for _, r := range page.Items {
				titles = append(titles, r.Title)
			}
			if diff := cmp.Diff(test.want, titles); diff != "" || page.Total != len(test.want) || page.AtLeast {
				t.Errorf("%s as %s, %d in total:\n%s", name, who, page.Total, diff)
			}
		}
	}
	first := testkit.Value(f.Records.List(ctx, c.asDoctor(), clinic.RecordFilter{Deleted: true}, clinic.PageRequest{Size: 1}))(t)
	second := testkit.Value(f.Records.List(ctx, c.asDoctor(), clinic.RecordFilter{Deleted: true}, clinic.PageRequest{Size: 1, Cursor: *first.Next}))(t)
	if first.Total != 2 || second.Total != 2 || second.Items[0].ID != gone {
		t.Errorf("the second page of deleted records = %+v", second)
	}
	testkit.Value(f.Records.MarkInError(ctx, c.asPatient(), wrong, "", nil))(t)
	if page := testkit.Value(f.Records.List(ctx, c.asDoctor(), clinic.RecordFilter{Type: clinic.RecordLabResult}, clinic.PageRequest{}))(t); page.Total != 1 {
		t.Errorf("a record whose mark was taken back is not counted: %d", page.Total)
	}
}

// TestACorrectionKeepsTheText reads what a comment said before.
func TestACorrectionKeepsTheText(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	c := f.care()
	for _, private := range []bool{false, true} {
		comment := testkit.Value(f.Comments.Add(ctx, c.asDoctor(), c.record.ID, "first", private, noKey))(t)
		for _, text := range []string{"second", "second", "third"} { // a correction without an effect makes no version
			testkit.Value(f.Comments.Correct(ctx, c.asDoctor(), comment.ID, &text, nil))(t)
		}
		page := testkit.Value(f.Comments.Versions(ctx, c.asDoctor(), comment.ID, clinic.PageRequest{}))(t)
		var got []string
		for _, v := range page.Items {
			got = append(got, v.Text)
		}
		if diff := cmp.Diff([]string{"third", "second", "first"}, got); diff != "" || page.Total != 3 {
			t.Errorf("%d versions:\n%s", page.Total, diff)
		}
		_, err := f.Comments.Versions(ctx, c.asPatient(), comment.ID, clinic.PageRequest{})
		if want := map[bool]clinic.Code{true: clinic.CodeNotFound}[private]; clinic.CodeOf(err) != want {
			t.Errorf("private %t: the patient gets code %q, want %q", private, clinic.CodeOf(err), want)
		}
	}
}
