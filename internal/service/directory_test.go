package service_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/healthrecords/healthrecords/internal/cache"
	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/service"
	"github.com/healthrecords/healthrecords/internal/testkit"
)

func usernames(page clinic.Page[clinic.Doctor]) (names []string) {
	for _, d := range page.Items {
		names = append(names, d.User.Username)
	}
	return names
}

// hospital has three doctors, of whom one is listed.
func hospital(t testing.TB, change func(*service.APIOptions)) (d desk, asPatient, asAdmin clinic.Caller) {
	t.Helper()
	d = newDesk(t, change)
	d.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "listed"}})
	d.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "unverified"}, Unverified: true})
	d.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "inactive", Inactive: true}})
	return d, testkit.CallerOf(d.db.Patient(testkit.PatientOptions{}).User), testkit.CallerOf(d.db.Admin())
}

func TestDirectoryListsVerifiedDoctors(t *testing.T) {
	t.Parallel()
	d, asPatient, asAdmin := hospital(t, nil)
	asDoctor := testkit.CallerOf(d.db.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "new"}, Unverified: true}).User)
	for _, caller := range []clinic.Caller{asPatient, asDoctor} {
		page := testkit.Value(d.Doctors.List(t.Context(), caller, clinic.DoctorFilter{}, clinic.PageRequest{}))(t)
		if diff := cmp.Diff([]string{"listed"}, usernames(page)); diff != "" || page.Total != 1 {
			t.Errorf("%s: total %d, %s", caller.Role, page.Total, diff)
		}
	}
	page := testkit.Value(d.Doctors.List(t.Context(), asAdmin, clinic.DoctorFilter{}, clinic.PageRequest{}))(t)
	if diff := cmp.Diff([]string{"listed", "unverified", "inactive", "new"}, usernames(page)); diff != "" || page.Total != 4 {
		t.Errorf("an administrator: total %d, %s", page.Total, diff)
	}
	if n := testkit.Value(d.Doctors.List(t.Context(), asPatient, clinic.DoctorFilter{Search: "unverified"}, clinic.PageRequest{}))(t).Total; n != 0 {
		t.Errorf("a search found %d that are not listed", n)
	}
}

func TestSearchMatchesPartsOfNames(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	asAdmin := testkit.CallerOf(d.db.Admin())
	for i, p := range []testkit.Person{
		{Username: "jane_s", FirstName: "Jane", LastName: "Smith"},
		{Username: "janes", FirstName: "Zoë", LastName: "100% O\\Brien"},
		{Username: "max", FirstName: "Max", LastName: "Müller"},
	} {
		d.db.Patient(testkit.PatientOptions{Person: p})
		p.Username = "dr." + p.Username
		d.db.Doctor(testkit.DoctorOptions{Person: p, Specialization: []string{"Cardiology", "Nephrology", "Neuro_logy"}[i]})
	}
	for search, want := range map[string]int{
		"": 3, "  ": 3, "jane": 2, "JANE": 2, "e_s": 1, "jane smith": 1, "smith zoë": 0, "smith": 1, "müll": 1, "zoë": 1, "%": 1, "_": 1, `\`: 1,
		"100%": 1, "x": 1, "nobody": 0, "'": 0,
	} {
		patients := testkit.Value(d.Patients.List(t.Context(), asAdmin, search, clinic.PageRequest{}))(t)
		if len(patients.Items) != want || patients.Total != want {
			t.Errorf("patients %q: %d of %d, want %d", search, len(patients.Items), patients.Total, want)
		}
	}
	for search, want := range map[string]int{"jane": 2, "cardio": 1, "ology": 2, "_logy": 1, "nephrology": 1, "dr.": 3, "ro_l": 1} {
		doctors := testkit.Value(d.Doctors.List(t.Context(), asAdmin, clinic.DoctorFilter{Search: search}, clinic.PageRequest{}))(t)
		if len(doctors.Items) != want || doctors.Total != want {
			t.Errorf("doctors %q: %v of %d, want %d", search, usernames(doctors), doctors.Total, want)
		}
	}
	for _, search := range []string{"a\x00b", "\xff", strings.Repeat("x", clinic.MaxSearch+1)} {
		_, err := d.Patients.List(t.Context(), asAdmin, search, clinic.PageRequest{})
		wantFields(t, err, "search")
		_, err = d.Doctors.List(t.Context(), asAdmin, clinic.DoctorFilter{Search: search}, clinic.PageRequest{})
		wantFields(t, err, "search")
	}
}

func TestPatientsAreForAdministrators(t *testing.T) {
	t.Parallel()
	d, asPatient, asAdmin := hospital(t, nil)
	asDoctor := testkit.CallerOf(d.db.Doctor(testkit.DoctorOptions{}).User)
	for _, caller := range []clinic.Caller{asPatient, asDoctor} {
		_, err := d.Patients.List(t.Context(), caller, "", clinic.PageRequest{})
		wantCode(t, err, clinic.CodeForbidden)
		_, err = d.Doctors.Verify(t.Context(), caller, 1, clinic.Verification{Verified: true})
		wantCode(t, err, clinic.CodeForbidden)
	}
	if n := testkit.Value(d.Patients.List(t.Context(), asAdmin, "", clinic.PageRequest{}))(t).Total; n != 1 {
		t.Errorf("total = %d", n)
	}
	// The database decides whether a caller is an administrator.
	_, err := d.Patients.List(t.Context(), clinic.Caller{UserID: asPatient.UserID, Role: clinic.RoleAdmin}, "", clinic.PageRequest{})
	wantCode(t, err, clinic.CodeUnauthenticated)
}

func TestVerifyDoctor(t *testing.T) {
	t.Parallel()
	d, _, asAdmin := hospital(t, nil)
	verified := testkit.Value(d.Doctors.Verify(t.Context(), asAdmin, 2, clinic.Verification{Verified: true}))(t)
	if verified.ID != 2 || verified.User.Username != "unverified" || verified.VerifiedAt == nil {
		t.Errorf("doctor = %+v", verified)
	}
	if again := testkit.Value(d.Doctors.Verify(t.Context(), asAdmin, 2, clinic.Verification{Verified: true}))(t); !again.VerifiedAt.Equal(*verified.VerifiedAt) {
		t.Errorf("verifying again moved %v to %v", verified.VerifiedAt, again.VerifiedAt)
	}
	if back := testkit.Value(d.Doctors.Verify(t.Context(), asAdmin, 2, clinic.Verification{}))(t); back.VerifiedAt != nil {
		t.Errorf("doctor = %+v", back)
	}
	for _, id := range []int64{0, -1, 999} {
		_, err := d.Doctors.Verify(t.Context(), asAdmin, id, clinic.Verification{Verified: true})
		wantCode(t, err, clinic.CodeNotFound)
	}
}

// countingCache counts the calls of the real cache.
type countingCache struct {
	service.DirectoryCache
	mutex      sync.Mutex
	hits, puts int
}

func (c *countingCache) Get(ctx context.Context, key string) (page []byte, version string, ok bool) {
	page, version, ok = c.DirectoryCache.Get(ctx, key)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if ok {
		c.hits++
	}
	return page, version, ok
}

func (c *countingCache) Put(ctx context.Context, key, version string, page []byte) {
	c.mutex.Lock()
	c.puts++
	c.mutex.Unlock()
	c.DirectoryCache.Put(ctx, key, version, page)
}

func newCache(t testing.TB, url, prefix string) *countingCache {
	t.Helper()
	opts := testkit.Value(redis.ParseURL(url))(t)
	opts.ContextTimeoutEnabled = true
	client := redis.NewClient(opts)
	t.Cleanup(func() { _ = client.Close() })
	return &countingCache{DirectoryCache: testkit.Value(cache.NewDirectory(cache.DirectoryOptions{Client: client, Prefix: prefix}))(t)}
}

func newTestCache(t testing.TB) *countingCache {
	t.Helper()
	url, prefix := testkit.NewRedis(t)
	return newCache(t, url, prefix)
}

func TestDirectoryIsCached(t *testing.T) {
	t.Parallel()
	c := newTestCache(t)
	d, asPatient, asAdmin := hospital(t, func(o *service.APIOptions) { o.Directory, o.AutoVerifyDoctors = c, false })
	read := func(caller clinic.Caller, page clinic.PageRequest) []string {
		t.Helper()
		return usernames(testkit.Value(d.Doctors.List(t.Context(), caller, clinic.DoctorFilter{}, page))(t))
	}
	first := testkit.Value(d.Doctors.List(t.Context(), asPatient, clinic.DoctorFilter{}, clinic.PageRequest{Number: 1, Size: 1}))(t)
	for range 3 {
		again := testkit.Value(d.Doctors.List(t.Context(), asPatient, clinic.DoctorFilter{}, clinic.PageRequest{Number: 1, Size: 1}))(t)
		if diff := cmp.Diff(first, again); diff != "" {
			t.Error(diff)
		}
	}
	if c.hits != 3 || c.puts != 1 {
		t.Errorf("%d hits, %d puts", c.hits, c.puts)
	}
	// A page for administrators is neither read from the cache nor stored in it.
	if got := read(asAdmin, clinic.PageRequest{Number: 1, Size: 1}); c.hits != 3 || c.puts != 1 || len(got) != 1 {
		t.Errorf("an administrator: %d hits, %d puts", c.hits, c.puts)
	}
	// Nor are searches, cursors and far pages, which could fill it.
	testkit.Value(d.Doctors.List(t.Context(), asPatient, clinic.DoctorFilter{Search: "listed"}, clinic.PageRequest{Number: 1, Size: 1}))(t)
	read(asPatient, clinic.PageRequest{Cursor: clinic.Cursor{Keyset: true}, Size: 1})
	read(asPatient, clinic.PageRequest{Number: 1_000_000, Size: 1})
	if c.puts != 1 {
		t.Errorf("%d puts", c.puts)
	}
}

func TestChangesShowInTheDirectoryAtOnce(t *testing.T) {
	t.Parallel()
	c := newTestCache(t)
	d, asPatient, asAdmin := hospital(t, func(o *service.APIOptions) { o.Directory = c })
	read := func() clinic.Page[clinic.Doctor] {
		t.Helper()
		return testkit.Value(d.Doctors.List(t.Context(), asPatient, clinic.DoctorFilter{}, clinic.PageRequest{Number: 1, Size: 20}))(t)
	}
	want := func(names ...string) {
		t.Helper()
		for range 2 { // the second from the cache
			if diff := cmp.Diff(names, usernames(read())); diff != "" {
				t.Error(diff)
			}
		}
	}
	want("listed")
	testkit.Value(d.Doctors.Verify(t.Context(), asAdmin, 2, clinic.Verification{Verified: true}))(t)
	want("listed", "unverified")
	testkit.Value(d.Doctors.Verify(t.Context(), asAdmin, 1, clinic.Verification{}))(t)
	want("unverified")
	asNew := d.caller(t, doctor("new")) // verified at once
	want("unverified", "new")
	testkit.Value(d.Accounts.UpdateProfile(t.Context(), asNew, clinic.ProfileChange{Specialization: new("Cardiology")}, nil))(t)
	if got := read().Items[1].Specialization; got != "Cardiology" {
		t.Errorf("specialization = %s", got)
	}
	hits := c.hits
	d.caller(t, patient("patient"))
	read()
	if c.hits != hits+1 {
		t.Error("a patient's registration dropped the directory")
	}
}

func TestCachedDirectoryIsForActiveAccounts(t *testing.T) {
	t.Parallel()
	c := newTestCache(t)
	d, asPatient, _ := hospital(t, func(o *service.APIOptions) { o.Directory = c })
	request := clinic.PageRequest{Number: 1, Size: 20}
	testkit.Value(d.Doctors.List(t.Context(), asPatient, clinic.DoctorFilter{}, request))(t)
	d.db.Exec("UPDATE users SET active = false WHERE id = $1", asPatient.UserID)
	page, err := d.Doctors.List(t.Context(), asPatient, clinic.DoctorFilter{}, request)
	wantReason(t, err, "account_inactive")
	if len(page.Items) != 0 || c.hits != 1 {
		t.Errorf("%d doctors after %d hits", len(page.Items), c.hits)
	}
}

func TestDirectoryAnswersWithoutRedis(t *testing.T) {
	t.Parallel()
	server := testkit.StartRedis(t)
	c := newCache(t, server.URL(0), "")
	d, asPatient, asAdmin := hospital(t, func(o *service.APIOptions) { o.Directory = c })
	request := clinic.PageRequest{Number: 1, Size: 20}
	testkit.Value(d.Doctors.List(t.Context(), asPatient, clinic.DoctorFilter{}, request))(t)
	server.Kill()
	testkit.Value(d.Doctors.Verify(t.Context(), asAdmin, 2, clinic.Verification{Verified: true}))(t)
	if n := testkit.Value(d.Doctors.List(t.Context(), asPatient, clinic.DoctorFilter{}, request))(t).Total; n != 2 {
		t.Errorf("total = %d", n)
	}
}
