package store

// The statements of a subject are methods of a type of its own, which only gives the
// handle another name: making one costs nothing.
type (
	// Accounts are the statements about accounts and their profiles.
	Accounts struct{ handle }
	// Sessions are the statements about logins and their refresh tokens.
	Sessions struct{ handle }
	// SecondFactors are the statements about second factors and recovery codes.
	SecondFactors struct{ handle }
	// Resets are the statements that set what a user logs in with, without the old password.
	Resets struct{ handle }
	// Records are the statements about health records.
	Records struct{ handle }
	// Comments are the statements about doctors' comments.
	Comments struct{ handle }
	// Doctors are the statements about doctors as others see them.
	Doctors struct{ handle }
	// Patients are the statements about patients as others see them.
	Patients struct{ handle }
	// Users are the statements that list accounts for administrators.
	Users struct{ handle }
	// Assignments are the statements about assignments, one by one.
	Assignments struct{ handle }
	// Declarations are the statements about the assignments that a declaration owns.
	Declarations struct{ handle }
	// Notifications are the statements about notifications.
	Notifications struct{ handle }
	// Outbox has the statements about events on their way to the worker.
	Outbox struct{ handle }
	// IdempotencyKeys are the statements about what requests made under their keys.
	IdempotencyKeys struct{ handle }
	// Imports are the statements that load the data of other systems.
	Imports struct{ handle }
	// Counts has the statements that check the counts of lists.
	Counts struct{ handle }
	// SearchIndex has the statements that keep the search index.
	SearchIndex struct{ handle }
	// Erasures are the statements that hold and erase patients' data.
	Erasures struct{ handle }
	// AuditLog has the statements that list the audit log for people.
	AuditLog struct{ handle }
	// AuditChain has the statements that seal, verify and drop the audit log.
	AuditChain struct{ handle }
)

// Accounts returns the handle's Accounts.
func (h Handle) Accounts() Accounts { return Accounts(h) }

// Sessions returns the handle's Sessions.
func (h Handle) Sessions() Sessions { return Sessions(h) }

// SecondFactors returns the handle's SecondFactors.
func (h Handle) SecondFactors() SecondFactors { return SecondFactors(h) }

// Resets returns the handle's Resets.
func (h Handle) Resets() Resets { return Resets(h) }

// Records returns the handle's Records.
func (h Handle) Records() Records { return Records(h) }

// Comments returns the handle's Comments.
func (h Handle) Comments() Comments { return Comments(h) }

// Doctors returns the handle's Doctors.
func (h Handle) Doctors() Doctors { return Doctors(h) }

// Patients returns the handle's Patients.
func (h Handle) Patients() Patients { return Patients(h) }

// Users returns the handle's Users.
func (h Handle) Users() Users { return Users(h) }

// Assignments returns the handle's Assignments.
func (h Handle) Assignments() Assignments { return Assignments(h) }

// Declarations returns the handle's Declarations.
func (h Handle) Declarations() Declarations { return Declarations(h) }

// Notifications returns the handle's Notifications.
func (h Handle) Notifications() Notifications { return Notifications(h) }

// Outbox returns the handle's Outbox.
func (h Handle) Outbox() Outbox { return Outbox(h) }

// IdempotencyKeys returns the handle's IdempotencyKeys.
func (h Handle) IdempotencyKeys() IdempotencyKeys { return IdempotencyKeys(h) }

// Imports returns the handle's Imports.
func (h Handle) Imports() Imports { return Imports(h) }

// Counts returns the handle's Counts.
func (h Handle) Counts() Counts { return Counts(h) }

// SearchIndex returns the handle's SearchIndex.
func (h Handle) SearchIndex() SearchIndex { return SearchIndex(h) }

// Erasures returns the handle's Erasures.
func (h Handle) Erasures() Erasures { return Erasures(h) }

// AuditLog returns the handle's AuditLog.
func (h Handle) AuditLog() AuditLog { return AuditLog(h) }

// AuditChain returns the handle's AuditChain.
func (h Handle) AuditChain() AuditChain { return AuditChain(h) }
