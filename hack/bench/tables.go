package main

import (
	"fmt"
	"iter"
	"time"
)

const (
	password       = "correct horse battery staple"
	averageVisits  = (leastVisits + mostVisits) / 2
	averageComment = 2
)

// tables returns the whole content of a database, in an order in which the rows refer only to what is there already.
func (p population) tables(passwordHash string) []table {
	return []table{
		{"users", userColumns(), p.users(), p.userRows(passwordHash)},
		{"doctor_profiles", doctorColumns(), p.doctors(), p.doctorRows()},
		{"patient_profiles", patientColumns(), p.patients, p.patientRows()},
		{"sessions", sessionColumns(), p.users(), p.sessionRows()},
		{"assignments", assignmentColumns(), p.patients, p.assignmentRows()},
		{"health_records", recordColumns(), averageVisits * p.patients, p.recordRows()},
		{"doctor_comments", commentColumns(), averageVisits * averageComment * p.patients, p.commentRows()},
		{"notifications", notificationColumns(), p.patients, p.notificationRows()},
	}
}

func userColumns() []string {
	return []string{"id", "username", "email", "first_name", "last_name", "phone_number", "role", "password_hash", "created_at"}
}

func doctorColumns() []string {
	return []string{"id", "user_id", "specialization", "license_number", "years_of_experience", "verified_at"}
}

func patientColumns() []string {
	return []string{"id", "user_id", "date_of_birth", "blood_type", "address", "emergency_contact"}
}

func sessionColumns() []string { return []string{"id", "user_id", "expires_at"} }

func assignmentColumns() []string {
	return []string{"id", "patient_id", "doctor_id", "source", "starts_at"}
}

func recordColumns() []string {
	return []string{
		"id", "patient_id", "created_by", "record_type", "title", "description", "symptoms", "diagnosis", "treatment", "medications",
		"visit_date", "created_at", "updated_at",
	}
}

func commentColumns() []string {
	return []string{"id", "record_id", "doctor_id", "comment", "is_private", "created_at"}
}

func notificationColumns() []string {
	return []string{"id", "recipient_id", "event_id", "type", "patient_id", "record_id", "read_at", "created_at"}
}

func (p population) founded() time.Time { return p.now.Add(-visitEvery * (mostVisits + 2)) }

func (p population) userRows(passwordHash string) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for id := 1; id <= p.users(); id++ {
			role, name := "DOCTOR", doctorName(id)
			if id > p.doctors() {
				role, name = "PATIENT", patientName(id-p.doctors())
			}
			if !yield([]any{id, name, name + "@example.com", "Alex", fmt.Sprintf("Example%d", id), "+1234567890", role, passwordHash, p.founded()}) {
				return
			}
		}
	}
}

func doctorName(doctor int) string { return fmt.Sprintf("doctor%d", doctor) }

func patientName(patient int) string { return fmt.Sprintf("patient%d", patient) }

func (p population) doctorRows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for id := 1; id <= p.doctors(); id++ {
			if !yield([]any{id, p.userOfDoctor(id), "General Medicine", fmt.Sprintf("DOC%06d", id), id % 40, p.founded()}) {
				return
			}
		}
	}
}

func (p population) patientRows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for id := 1; id <= p.patients; id++ {
			if !yield([]any{id, p.userOfPatient(id), p.now.AddDate(-20-id%60, 0, 0), "A+", "1 Example Street, Springfield", "Sam Example, +1987654321"}) {
				return
			}
		}
	}
}

// sessionRows gives each user a session with the user's id, so that tokens can be signed without logging in.
func (p population) sessionRows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for id := 1; id <= p.users(); id++ {
			if !yield([]any{id, id, p.now.AddDate(0, 1, 0)}) {
				return
			}
		}
	}
}

func (p population) assignmentRows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		id := 0
		add := func(patient, doctor int) bool {
			id++
			return yield([]any{id, patient, doctor, "rest", p.founded()})
		}
		for doctor := doctorOfMany; doctor < firstOrdinaryDoctor; doctor++ {
			for _, patient := range p.panel(doctor) {
				if !add(patient, doctor) {
					return
				}
			}
		}
		for patient := 1; patient <= p.patients; patient++ {
			if !add(patient, p.doctorOf(patient)) {
				return
			}
		}
	}
}

// allRecords returns every record in the order of ids.
func (p population) allRecords() iter.Seq[record] {
	return func(yield func(record) bool) {
		for number := range mostVisits {
			for patient := 1; patient <= p.patients; patient++ {
				if number < p.visits(patient) && !yield(p.record(patient, number)) {
					return
				}
			}
		}
	}
}

func (p population) recordRow(r record) []any {
	return []any{
		r.id, r.patient, p.userOfPatient(r.patient), r.kind(), fmt.Sprintf("Visit %d", r.number+1), "Routine annual physical examination",
		"No specific symptoms", "Patient appears healthy", "Continue current lifestyle", "None", r.at, r.at.Add(time.Hour), r.at.Add(time.Hour),
	}
}

func (p population) recordRows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for r := range p.allRecords() {
			if !yield(p.recordRow(r)) {
				return
			}
		}
	}
}

func (p population) commentRows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		id := 0
		for r := range p.allRecords() {
			for i := range r.comments() {
				id++
				text := "Patient shows good health indicators. Recommend annual follow-up."
				if !yield([]any{id, r.id, p.doctorOf(r.patient), text, r.private(i), r.at.Add(time.Duration(i+2) * time.Hour)}) {
					return
				}
			}
		}
	}
}

// notificationRows has one notification for each patient, of their assignment, and those of the readers of many.
func (p population) notificationRows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		id := 0
		for patient := 1; patient <= p.patients; patient++ {
			id++
			if !yield([]any{id, p.userOfPatient(patient), id, "PATIENT_ASSIGNED", patient, nil, p.now, p.founded()}) {
				return
			}
		}
		for _, reader := range p.notified() {
			found := p.records(p.panel(reader.doctor)...)
			for i, r := range found[len(found)-reader.count:] {
				id++
				var readAt *time.Time
				if !unread(i) {
					readAt = &p.now
				}
				if !yield([]any{id, p.userOfDoctor(reader.doctor), id, "NEW_RECORD", r.patient, r.id, readAt, r.at}) {
					return
				}
			}
		}
	}
}
