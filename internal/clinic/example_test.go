package clinic_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// Validation reports every wrong field at once, and quotes nothing of what was sent.
func ExampleRecordFields_Validate() {
	fields := clinic.RecordFields{Type: "VISIT", VisitDate: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	err := fields.Validate()

	var e *clinic.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code)
		for _, field := range e.Fields {
			fmt.Println(field.Field, "-", field.Message)
		}
	}
	// Output:
	// invalid
	// record_type - use one of CHECKUP, DIAGNOSIS, PRESCRIPTION, LAB_RESULT, EMERGENCY
	// title - must not be empty: use 1 to 200 characters that can be seen
}

// The cause of an error is for errors.Is alone. What is printed is meant for the caller.
func ExampleError() {
	cause := errors.New("connection refused by 10.0.0.7")
	err := fmt.Errorf("reading a record: %w", clinic.Unavailable(cause))
	fmt.Println(clinic.CodeOf(err), errors.Is(err, cause))
	fmt.Println("the cause is printed:", strings.Contains(err.Error(), "10.0.0.7"))
	// Output:
	// unavailable true
	// the cause is printed: false
}

// A notification is composed for its reader, of what they may see at that moment.
func ExampleNotification_Describe() {
	patient := &clinic.Person{Username: "alice", Name: clinic.Name{First: "Alice", Last: "Moore"}}
	for _, subject := range []clinic.NotificationSubject{
		{Reader: clinic.RoleDoctor, Patient: patient, Record: &clinic.RecordFields{Title: "Annual Physical", Type: clinic.RecordCheckup}},
		{Reader: clinic.RoleDoctor, Patient: patient}, // the record was deleted
		{Reader: clinic.RoleDoctor},                   // the doctor is no longer assigned
	} {
		n := clinic.Notification{Type: clinic.NotifyNewRecord}
		n.Describe(subject)
		fmt.Printf("%s: %s\n", n.Title, n.Message)
	}
	// Output:
	// New health record: Alice Moore added "Annual Physical" (CHECKUP).
	// New health record: Alice Moore added a health record that was deleted since.
	// New health record: A health record was added by a patient you are no longer assigned to.
}
