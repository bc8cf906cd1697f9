package rest

import "net/http"

// access says who may call an operation. The service enforces it; here it is
// for the document. Only anybody is without authenticate.
type access string

const (
	anybody           access = "Anybody"
	everyone          access = "Everyone who is logged in"
	patients          access = "Patients"
	doctors           access = "Doctors"
	admins            access = "Administrators"
	doctorsAndAdmins  access = "Doctors and administrators"
	patientsOrDoctors access = "Patients and doctors"
)

// route is one operation. Its tag is the path's first segment below /api/;
// notes has the longer text by its id. on says where the terms are not the usual
// ones: a body is read whole, the work takes a place of the pool of those who are
// logged in, or of anybody's, and has 15 seconds.
type route struct {
	id      string
	method  string
	path    string
	access  access
	summary string
	binding
}

// routes is the whole API. Each path is also served without its last slash and
// under /api/v1/ (see canonicalPath).
func routes(h *handlers) []route {
	const get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	return []route{
		{"register", post, "/api/auth/register/", anybody, "Register a patient or a doctor", created(h.register)},
		{"login", post, "/api/auth/login/", anybody, "Log in", to(h.login)},
		{"refreshToken", post, "/api/auth/token/refresh/", anybody, "Trade a refresh token for new tokens", to(h.refreshToken)},
		{"logout", post, "/api/auth/logout/", anybody, "End a session", to(h.logout)},
		{"listSessions", get, "/api/auth/sessions/", everyone, "List one's own sessions", to(h.listSessions)},
		{"endSession", del, "/api/auth/sessions/{id}/", everyone, "End one of one's own sessions", to(h.endSession)},
		{"changePassword", post, "/api/auth/password/", everyone, "Change one's own password", to(h.changePassword)},
		{"getTOTP", get, "/api/auth/totp/", everyone, "Get the state of one's own second factor", to(h.getTOTP)},
		{"enrolTOTP", post, "/api/auth/totp/", everyone, "Enrol a second factor", created(h.enrolTOTP)},
		{"confirmTOTP", post, "/api/auth/totp/confirm/", everyone, "Confirm the second factor", to(h.confirmTOTP)},
		{"disableTOTP", post, "/api/auth/totp/disable/", everyone, "Disable the second factor", to(h.disableTOTP)},
		{"getProfile", get, "/api/auth/profile/", everyone, "Get one's own profile", to(h.getProfile)},
		{"replaceProfile", put, "/api/auth/profile/", everyone, "Update one's own profile", to(h.replaceProfile)},
		{"changeProfile", patch, "/api/auth/profile/", everyone, "Change some fields of one's own profile", to(h.changeProfile)},
		{"listDoctors", get, "/api/auth/doctors/", everyone, "List the directory of doctors", to(h.listDoctors)},
		{"assignDoctor", post, "/api/auth/assign-doctor/", doctorsAndAdmins, "Assign a doctor to a patient", to(h.assignDoctor)},

		{"listRecords", get, "/api/health-records/", patientsOrDoctors, "List health records", to(h.listRecords)},
		{"createRecord", post, "/api/health-records/", patients, "Create a health record", created(h.createRecord)},
		{"getRecord", get, "/api/health-records/{id}/", patientsOrDoctors, "Get a health record", to(h.getRecord)},
		{"replaceRecord", put, "/api/health-records/{id}/", patients, "Replace a health record", to(h.replaceRecord)},
		{"changeRecord", patch, "/api/health-records/{id}/", patients, "Change some fields of a health record", to(h.changeRecord)},
		{"deleteRecord", del, "/api/health-records/{id}/", patients, "Delete a health record", to(h.deleteRecord)},
		{"listComments", get, "/api/health-records/{id}/comments/", patientsOrDoctors, "List the comments on a health record", to(h.listComments)},
		{"addComment", post, "/api/health-records/{id}/comments/", doctors, "Comment on a health record", created(h.addComment)},
		{"listMyPatients", get, "/api/health-records/my-patients/", doctors, "List one's assigned patients", to(h.listMyPatients)},

		{"listNotifications", get, "/api/notifications/", everyone, "List one's notifications", to(h.listNotifications)},
		{"readNotification", post, "/api/notifications/{id}/read/", everyone, "Mark a notification as read", to(h.readNotification)},
		{"readAllNotifications", post, "/api/notifications/mark-all-read/", everyone, "Mark all notifications as read", to(h.readAllNotifications)},

		{"listPatients", get, "/api/patients/", admins, "Find patients", to(h.listPatients)},
		{"disableUser", post, "/api/users/{id}/disable/", admins, "Disable an account", to(h.disableUser)},
		{"enableUser", post, "/api/users/{id}/enable/", admins, "Enable an account", to(h.enableUser)},
		{"verifyDoctor", post, "/api/doctors/{id}/verify/", admins, "Verify a doctor's license", to(h.verifyDoctor)},
		{"listAssignments", get, "/api/assignments/", everyone, "List assignments", to(h.listAssignments)},
		{"getAssignment", get, "/api/assignments/{id}/", everyone, "Get an assignment", to(h.getAssignment)},
		{"breakGlass", post, "/api/break-glass/", doctors, "Open emergency access to a patient's records", to(h.openBreakGlass)},
		{"endAssignment", del, "/api/assignments/{id}/", admins, "End an assignment", to(h.endAssignment)},

		{"listKeys", get, "/.well-known/jwks.json", anybody, "Get the keys that access tokens are verified with", to(h.listKeys).on(terms{pool: free})},
		{"getAccessLog", get, "/api/access-log/", patients, "See who looked at one's own data", to(h.getAccessLog)},
		{"getAudit", get, "/api/audit/", admins, "Read the audit log", to(h.getAudit)},

		{"health", get, "/health/", anybody, "Ask whether the API answers", to(h.health).on(terms{pool: free})},
	}
}

const pendingNames = "The new name of a doctor who is verified, or was ever assigned to a patient, is pending_name until an administrator " +
	"approves it, and the present one is shown; until then another one is a conflict, name_pending. Other doctors' are changed at once."

const passwordRules = "A password has 8 to 128 characters of any kind; one that many people use, or that is like the username or the email address, is refused."

// notes are what an operation's summary leaves open.
func notes() map[string]string {
	return map[string]string{
		"register": "The account is logged in at once. A doctor sees no patient until an administrator has verified their license. " +
			"A repetition with the same Idempotency-Key must have the same password. " + passwordRules,
		"login": "`access` and `refresh` are there twice: as `tokens`, like at registration, and at the top. " +
			"Who has a second factor sends totp_code or recovery_code too: without one, the code of the 401 is totp_required. " +
			"After some wrong ones a while has to pass, up to a quarter of an hour; recovery codes are taken meanwhile.",
		"refreshToken": "A refresh token works once: use the new one from then on. A repetition within ten seconds gets the same one, " +
			"unless that was used; later, or then, it ends the session. The access token lives 5 minutes.",
		"logout": "The session of the refresh token in the body or, without a body, of the access token. " +
			"Its access tokens are refused from the next request on. A refresh token of a session that has ended is no fault.",
		"listSessions": "The newest login first. A session is a login; current is the one that asks.",
		"endSession":   "Its refresh token is worth nothing any more, and its access tokens are refused from the next request on.",
		"enrolTOTP": "It takes the password and shows the secret, once; nothing is asked for before it is confirmed. " +
			"Authenticators take the URL as a QR code (RFC 6238: SHA-1, six digits, 30 seconds).",
		"confirmTOTP": "With a code of the authenticator. From then on a login takes one. The recovery codes are shown once; " +
			"each logs in once where the authenticator is lost. All other sessions of the caller end. " +
			"Where the role requires a second factor, refresh the access token now: the one before is good for enrolling only.",
		"disableTOTP":    "It takes the password, and ends the other sessions. The recovery codes are worth nothing any more.",
		"changePassword": "It takes the present password, and ends all other sessions of the caller. " + passwordRules,
		"replaceProfile": "email, first_name, last_name and phone_number are replaced. The fields of a doctor or a patient are " +
			"changed where they are sent and stay as they are where they are not. " + pendingNames,
		"changeProfile": "A JSON merge patch (RFC 7396): a field that is not sent stays as it is, null clears it. " + pendingNames,
		"listDoctors":   "Administrators see doctors whose license is not verified, too.",
		"assignDoctor": "An administrator names both. Doctors assign themselves: doctor_id may be left out. Unless the operator set it " +
			"otherwise, a doctor confirms with password or totp_code, reason is required, and the assignment ends, after 90 days or at " +
			"ends_at, a year from now at the latest. Without a confirmation the code of the 422 is confirmation_required; where doctors may not " +
			"assign themselves, that of the 403 is self_assignment_off. All administrators are told of a doctor who assigned themselves. " +
			"For a pair that is assigned already the answer is its assignment, which lasts no longer for it.",
		"listRecords":   "A patient's own records, or those of a doctor's patients now, newest visit first.",
		"getRecord":     "The owner, and a doctor who is assigned now. Private comments are in a doctor's answer only.",
		"replaceRecord": "The owner. A text that is not sent becomes empty.",
		"changeRecord":  "The owner. A JSON merge patch (RFC 7396): a field that is not sent stays as it is, null clears it.",
		"deleteRecord":  "The owner. The comments go with it.",
		"listComments":  "The owner, and a doctor who is assigned now, oldest first. Private comments are in a doctor's answer only.",
		"addComment":    "A doctor who is assigned now. A private comment is for doctors only.",
		"listNotifications": "Newest first. A message is composed when it is read, so that it never tells what the reader " +
			"may not see any more; the ids of what is gone are null.",
		"listPatients": "The search is by name or username.",
		"verifyDoctor": "The license is verified and a pending name approved, also where the doctor is verified already. Send the names and " +
			"the license number that you have looked at: where they are others by now it is a conflict, doctor_changed, and nothing " +
			"happens. With the present name a pending one is refused. `{\"verified\": false}` takes the verification back, with it the " +
			"doctor's sight of every patient, and drops a pending name.",
		"disableUser":     "Its sessions end, and with the next request its access. The caller's own account is a conflict, own_account.",
		"enableUser":      "It has to log in again.",
		"listAssignments": "Newest first. Administrators see all, doctors and patients their own. Ended ones stay as history.",
		"getAssignment":   "Administrators see all, doctors and patients their own.",
		"breakGlass": "The doctor must be verified, and gives their password again. They read the patient's records, and comment on none, until ends_at; an " +
			"administrator may end it before. The patient and all administrators are told at once. While it is open a repetition " +
			"is answered with it: it neither lasts longer nor tells anybody again. A wrong password is 422, wrong_password: the " +
			"access token is good, so that another one is no remedy.",
		"listKeys": "A JSON Web Key Set (RFC 7517, RFC 8037). A new key is here at least ten minutes before a token is signed with it, " +
			"and an old one for as long as its tokens live.",
		"getAccessLog": "Newest first: who saw or changed it, when, and what gave access. Reading this is in it, too. " +
			"People have the name and license number of then; other patients have no name here.",
		"getAudit": "Newest first. It holds ids, no health data. Reading this is in it, too.",
		"endAssignment": "Access ends with the next request. An assignment that a DoctorAssignment object declares is ended by " +
			"changing the object: here it is a conflict, unless force is true, for an emergency or an object that is gone.",
	}
}
