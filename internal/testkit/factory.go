package testkit

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Factory inserts people and their objects straight into a migrated
// database, without any rule except the constraints. Zero fields of its options
// mean unobtrusive values; names are numbered, so that no two collide.
type Factory struct {
	// Pool is for statements of the test itself.
	Pool   *pgxpool.Pool
	t      testing.TB
	number atomic.Int64
}

// NewFactory connects to the database at dsn until the test ends.
func NewFactory(t testing.TB, dsn string) *Factory {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	// A test may have restarted the server since a connection's last use.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return true }
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &Factory{Pool: pool, t: t}
}

// Person describes an account.
type Person struct {
	Username, FirstName, LastName, Email, Phone string
	PasswordHash                                string // "-", which no password matches, by default
	Inactive                                    bool
}

// PatientOptions describe a patient.
type PatientOptions struct {
	Person
	BloodType string
}

// DoctorOptions describe a doctor, who is verified by default.
type DoctorOptions struct {
	Person
	Specialization string // "General Medicine" by default
	Unverified     bool
}

// CallerOf returns the user as the caller of a use case.
func CallerOf(u clinic.User) clinic.Caller {
	return clinic.Caller{UserID: u.ID, Role: u.Role, Request: clinic.Request{Operation: "getTest"}}
}

// LoggedIn returns the user as the caller of a new session, for an access token.
func (f *Factory) LoggedIn(u clinic.User) clinic.Caller {
	f.t.Helper()
	caller := CallerOf(u)
	f.scan(`INSERT INTO sessions (user_id, expires_at) VALUES ($1, now() + interval '1 day') RETURNING id`, []any{u.ID}, &caller.SessionID)
	return caller
}

// User inserts an account without a profile.
func (f *Factory) User(role clinic.Role, p Person) clinic.User {
	f.t.Helper()
	n := f.number.Add(1)
	u := clinic.User{
		Username: or(p.Username, fmt.Sprintf("user%d", n)), FirstName: or(p.FirstName, "First"),
		LastName: or(p.LastName, fmt.Sprintf("Last%d", n)), Email: p.Email, PhoneNumber: p.Phone,
		Role: role, Active: !p.Inactive,
	}
	f.scan(`INSERT INTO users (username, first_name, last_name, email, phone_number, role, password_hash, active)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id, created_at`,
		[]any{u.Username, u.FirstName, u.LastName, u.Email, u.PhoneNumber, role, or(p.PasswordHash, "-"), u.Active},
		&u.ID, &u.CreatedAt)
	return u
}

// Admin inserts an administrator.
func (f *Factory) Admin() clinic.User {
	f.t.Helper()
	return f.User(clinic.RoleAdmin, Person{})
}

// Patient inserts a patient.
func (f *Factory) Patient(o PatientOptions) clinic.Patient {
	f.t.Helper()
	p := clinic.Patient{User: f.User(clinic.RolePatient, o.Person), BloodType: o.BloodType}
	f.scan(`INSERT INTO patient_profiles (user_id, blood_type) VALUES ($1, $2) RETURNING id`,
		[]any{p.User.ID, p.BloodType}, &p.ID)
	return p
}

// Doctor inserts a doctor.
func (f *Factory) Doctor(o DoctorOptions) clinic.Doctor {
	f.t.Helper()
	d := clinic.Doctor{
		User: f.User(clinic.RoleDoctor, o.Person), Specialization: or(o.Specialization, "General Medicine"),
		YearsOfExperience: 5,
	}
	d.LicenseNumber = fmt.Sprintf("LIC%06d", d.User.ID)
	if !o.Unverified {
		now := time.Now()
		d.VerifiedAt = &now
	}
	f.scan(`INSERT INTO doctor_profiles (user_id, specialization, license_number, years_of_experience, verified_at)
		VALUES ($1, $2, $3, $4, $5) RETURNING id`,
		[]any{d.User.ID, d.Specialization, d.LicenseNumber, d.YearsOfExperience, d.VerifiedAt}, &d.ID)
	return d
}

// Exec runs a statement and returns the number of affected rows.
func (f *Factory) Exec(sql string, args ...any) int64 {
	f.t.Helper()
	tag, err := f.Pool.Exec(context.WithoutCancel(f.t.Context()), sql, args...)
	if err != nil {
		f.t.Fatal(err)
	}
	return tag.RowsAffected()
}

// Count returns the number that a statement such as SELECT count(*) selects.
func (f *Factory) Count(sql string, args ...any) (n int) {
	f.t.Helper()
	f.scan(sql, args, &n)
	return n
}

func (f *Factory) scan(sql string, args []any, into ...any) {
	f.t.Helper()
	if err := f.Pool.QueryRow(context.WithoutCancel(f.t.Context()), sql, args...).Scan(into...); err != nil {
		f.t.Fatal(err)
	}
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
