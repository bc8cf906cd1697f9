package settings

// Audit is the configuration of `healthrecords audit`.
type Audit struct {
	Common         Common
	Database       Database
	KeysDir        string `env:"AUDIT_KEYS_DIR" help:"directory of the keys that seal the audit log; required for audit retention"`
	RetentionYears int    `env:"AUDIT_RETENTION_YEARS" envDefault:"6" help:"years to keep audit rows, at least 6"`
}

func (a *Audit) prepare() {}

func (a *Audit) validate(f *ValidationErrors) {
	a.Common.validate(f)
	a.Database.validate(f)
	f.require(a.RetentionYears >= 6 && a.RetentionYears <= 100, "AUDIT_RETENTION_YEARS", "must be from 6 to 100")
}
