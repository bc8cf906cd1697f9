package clinic

// SecondFactor is the proof of a login beside the password: a code of the
// authenticator, or one of the recovery codes. Its zero value proves nothing.
type SecondFactor struct{ TOTPCode, RecoveryCode string }

// TOTPEnrollment is a secret for an authenticator, shown once.
type TOTPEnrollment struct {
	Secret string // base32
	URL    string // otpauth://, for a QR code
}

// TOTPStatus describes a user's second factor.
type TOTPStatus struct {
	Enabled       bool
	Required      bool // the user's role may do nothing without one
	RecoveryCodes int  // that are left
}
