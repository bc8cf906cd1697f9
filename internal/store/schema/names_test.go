package schema_test

import (
	"database/sql"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/schema"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// versions returns the names of a user, from the first on.
func versions(t *testing.T, f *testkit.Factory, user clinic.User) []string {
	t.Helper()
	rows, err := f.Pool.Query(t.Context(), `SELECT concat_ws(' ', username, first_name, last_name, license_number) FROM name_versions
		WHERE user_id = $1 ORDER BY since`, user.ID)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEachNameIsKept(t *testing.T) {
	t.Parallel()
	f := testkit.NewFactory(t, testkit.NewDatabase(t, schema.Migrate))
	patient := f.Patient(testkit.PatientOptions{Person: testkit.Person{Username: "ann", FirstName: "Ann", LastName: "Lee"}})
	doctor := f.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "eve", FirstName: "Eve", LastName: "Night"}})
	f.Exec(`UPDATE doctor_profiles SET license_number = 'CA-1' WHERE id = $1`, doctor.ID)
	f.Exec(`UPDATE users SET email = 'eve@example.com', updated_at = now() WHERE id = $1`, doctor.User.ID) // makes no version
	f.Exec(`UPDATE users SET last_name = 'Day'`)
	f.Exec(`UPDATE users SET last_name = 'Day'`)
	f.Exec(`UPDATE doctor_profiles SET license_number = license_number, specialization = 'x'`)
	for _, test := range []struct {
		user clinic.User
		want []string
	}{
		{patient.User, []string{"ann Ann Lee", "ann Ann Day"}},
		{doctor.User, []string{"eve Eve Night " + doctor.LicenseNumber, "eve Eve Night CA-1", "eve Eve Day CA-1"}},
	} {
		if got := versions(t, f, test.user); !slices.Equal(got, test.want) {
			t.Errorf("versions of %s: %q, want %q", test.user.Username, got, test.want)
		}
	}
	if n := f.Count(`SELECT count(*) FROM name_versions WHERE since = '-infinity'`); n != 2 {
		t.Errorf("%d first versions, want one of each", n)
	}
	f.Exec(`DELETE FROM users`)
	if n := f.Count(`SELECT count(*) FROM name_versions`); n != 0 {
		t.Errorf("%d versions without a user", n)
	}
}

// A clock that was set back must not let an old name be the newest.
func TestNamesKeepTheirOrderWhateverTheClockSays(t *testing.T) {
	t.Parallel()
	f := testkit.NewFactory(t, testkit.NewDatabase(t, schema.Migrate))
	doctor := f.Doctor(testkit.DoctorOptions{Person: testkit.Person{Username: "eve", FirstName: "Eve"}})
	f.Exec(`UPDATE users SET last_name = 'One'`)
	f.Exec(`UPDATE name_versions SET since = now() + interval '1 hour' WHERE last_name = 'One'`)
	f.Exec(`UPDATE users SET last_name = 'Two'`)
	f.Exec(`UPDATE doctor_profiles SET license_number = 'CA-1'`)
	want := []string{"eve Eve " + doctor.User.LastName + " " + doctor.LicenseNumber, "eve Eve One " + doctor.LicenseNumber, "eve Eve Two " + doctor.LicenseNumber, "eve Eve Two CA-1"}
	if got := versions(t, f, doctor.User); !slices.Equal(got, want) {
		t.Errorf("versions: %q, want %q", got, want)
	}
}

// The newest version matches the present name, even when both of its parts change at once.
func TestTheNewestNameIsThePresentOne(t *testing.T) {
	t.Parallel()
	f := testkit.NewFactory(t, testkit.NewDatabase(t, schema.Migrate))
	f.Doctor(testkit.DoctorOptions{})
	var group sync.WaitGroup
	for range 20 {
		for _, change := range []string{
			`UPDATE users SET first_name = md5(random()::text)`, `UPDATE doctor_profiles SET license_number = md5(random()::text)`,
		} {
			group.Go(func() { f.Exec(change) })
		}
	}
	group.Wait()
	if n := f.Count(`SELECT count(*) FROM users u JOIN doctor_profiles d ON d.user_id = u.id CROSS JOIN LATERAL known_as(u.id, 'infinity') v
		WHERE (v.first_name, v.license_number) = (u.first_name, d.license_number)`); n != 1 {
		t.Error("the newest version is not the doctor's present name")
	}
	if n := f.Count(`SELECT count(*) FROM name_versions`); n != 41 {
		t.Errorf("%d versions, want 41", n)
	}
}

// schemaBeforeNames returns a database with the schema of the last release without names.
func schemaBeforeNames(t *testing.T) (dsn string) {
	t.Helper()
	dsn = testkit.NewDatabase(t, rights.Migrate)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	return dsn
}

// TestNamesAndNumbersOfBefore migrates a database of the previous release, in
// which some license numbers were distinct that now count as equal.
func TestNamesAndNumbersOfBefore(t *testing.T) {
	t.Parallel()
	dsn := schemaBeforeNames(t)
	f := testkit.NewFactory(t, dsn)
	doctors := map[string]clinic.Doctor{}
	for _, number := range []string{"ca-1", "CA-1", "CA 1", "CA-I", "CA-2"} {
		doctor := f.Doctor(testkit.DoctorOptions{Unverified: number != "CA 1", Person: testkit.Person{FirstName: "Eve"}})
		f.Exec(`UPDATE doctor_profiles SET license_number = $1 WHERE id = $2`, number, doctor.ID)
		doctors[number] = doctor
	}
	if err := rights.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	for number, doctor := range doctors {
		want := []string{doctor.User.Username + " Eve " + doctor.User.LastName + " " + number}
		if got := versions(t, f, doctor.User); !slices.Equal(got, want) {
			t.Errorf("versions of %s: %q, want %q", number, got, want)
		}
		twin := number == "ca-1" || number == "CA-1" || number == "CA-I" // the verified one has it
		if n := f.Count(`SELECT count(*) FROM doctor_profiles WHERE id = $1 AND license_twin`, doctor.ID); (n == 1) != twin {
			t.Errorf("%s is a twin: %t, want %t", number, n == 1, twin)
		}
	}
	if got := oddTexts(t, dsn); !slices.Equal(got, []string{"doctor_profiles.license_number", "doctor_profiles.license_number", "doctor_profiles.license_number"}) {
		t.Errorf("odd texts: %v", got)
	}
	// No release gives one of their numbers to a new doctor or to one who changes theirs.
	newcomer := f.Doctor(testkit.DoctorOptions{})
	for _, change := range []string{`UPDATE doctor_profiles SET license_number = 'c-a1' WHERE id = $1`, `UPDATE doctor_profiles SET license_number = 'CA-2.' WHERE id = $1`} {
		_, err := f.Pool.Exec(t.Context(), change, newcomer.ID)
		if codeOf(err) != "23505" || constraintOf(err) != "doctor_profiles_license_number_key" {
			t.Errorf("%s: %v", change, err)
		}
	}
	f.Exec(`UPDATE doctor_profiles SET years_of_experience = 9`) // the twins can still be changed
}

// TestNumbersOfBeforeInAnyScript uses numbers that the previous release accepted, with
// letters of other alphabets or widths, or without any letter.
func TestNumbersOfBeforeInAnyScript(t *testing.T) {
	t.Parallel()
	dsn := schemaBeforeNames(t)
	f := testkit.NewFactory(t, dsn)
	twins := map[string]bool{"AB1": false, "\uff21\uff22\uff11": true, "a\u200bb\u20131": true} // in full width, and with marks between
	numbers := []string{"AB1", "\uff21\uff22\uff11", "a\u200bb\u20131", "\u0410\u0411-1", "\u0412\u0413-1", "\u4e59\u7b2c", "\u7532\u7b2c", "---", "...", "\u2014"}
	for _, number := range numbers {
		f.Exec(`UPDATE doctor_profiles SET license_number = $1 WHERE id = $2`, number, f.Doctor(testkit.DoctorOptions{}).ID)
	}
	if err := rights.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	for _, number := range numbers {
		if n := f.Count(`SELECT count(*) FROM doctor_profiles WHERE license_number = $1 AND license_twin`, number); (n == 1) != twins[number] {
			t.Errorf("%q is a twin: %t, want %t", number, n == 1, twins[number])
		}
	}
	// The previous release may still run, and accept such numbers.
	newcomer := f.Doctor(testkit.DoctorOptions{})
	for number, taken := range map[string]bool{
		"\u0414\u0415-1": false, "\u4e19\u7b2c": false, "--": false,
		"\uff41\uff22-\uff11": true, "\u0410 \u04111": true, "---": true,
	} {
		_, err := f.Pool.Exec(t.Context(), `UPDATE doctor_profiles SET license_number = $1 WHERE id = $2`, number, newcomer.ID)
		if (constraintOf(err) == "doctor_profiles_license_number_key") != taken || err != nil && !taken {
			t.Errorf("%q is taken: %t, want %t (%v)", number, !taken, taken, err)
		}
	}
}

// TestATwinWhoChangesTheNumberIsOneNoMore changes it as the previous release does, which
// does not know of twins and may still run.
func TestATwinWhoChangesTheNumberIsOneNoMore(t *testing.T) {
	t.Parallel()
	dsn := schemaBeforeNames(t)
	f := testkit.NewFactory(t, dsn)
	doctors := map[string]clinic.Doctor{}
	for _, number := range []string{"CA-1", "ca-1", "CA-2"} {
		doctors[number] = f.Doctor(testkit.DoctorOptions{})
		f.Exec(`UPDATE doctor_profiles SET license_number = $1 WHERE id = $2`, number, doctors[number].ID)
	}
	if err := rights.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	const change = `UPDATE doctor_profiles SET license_number = $1 WHERE id = $2`
	if _, err := f.Pool.Exec(t.Context(), change, "CA-2", doctors["ca-1"].ID); constraintOf(err) != "doctor_profiles_license_number_key" {
		t.Errorf("the twin takes another doctor's number: %v", err)
	}
	f.Exec(change, "Ca 1", doctors["ca-1"].ID) // the same number in another spelling
	f.Exec(change, "CA-3", doctors["ca-1"].ID)
	if n := f.Count(`SELECT count(*) FROM doctor_profiles WHERE license_twin`); n != 0 {
		t.Errorf("%d twins of a number that nobody has", n)
	}
}

// TestATwinIsLeftTheNumberThatNobodyElseHas: from then on the number is the twin's, whoever else claims it.
func TestATwinIsLeftTheNumberThatNobodyElseHas(t *testing.T) {
	t.Parallel()
	dsn := schemaBeforeNames(t)
	f := testkit.NewFactory(t, dsn)
	const change = `UPDATE doctor_profiles SET license_number = $1 WHERE id = $2`
	numbers := []string{"CA-1", "CA 1", "ca-1", "CA-2"}
	doctors := map[string]clinic.Doctor{}
	for _, number := range numbers {
		doctors[number] = f.Doctor(testkit.DoctorOptions{Unverified: number == "CA 1"})
		f.Exec(change, number, doctors[number].ID)
	}
	if err := rights.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	f.Exec(change, "CA-3", doctors["CA-1"].ID)
	if n := f.Count(`SELECT count(*) FROM doctor_profiles WHERE id = $1 AND NOT license_twin`, doctors["ca-1"].ID); n != 1 { // the verified one
		t.Error("nobody has the number")
	}
	if _, err := f.Pool.Exec(t.Context(), change, "CA.1", doctors["CA-2"].ID); constraintOf(err) != "doctor_profiles_license_number_key" {
		t.Errorf("another doctor takes the number: %v", err)
	}
	f.Exec(change, "CA-4", doctors["ca-1"].ID)
	if n := f.Count(`SELECT count(*) FROM doctor_profiles WHERE license_twin`); n != 0 {
		t.Errorf("%d twins of a number that nobody has", n)
	}
}

func oddTexts(t *testing.T, dsn string) (found []string) {
	t.Helper()
	if err := schema.OddTexts(t.Context(), dsn, func(odd schema.OddText) { found = append(found, odd.Table+"."+odd.Column) }); err != nil {
		t.Fatal(err)
	}
	return found
}
