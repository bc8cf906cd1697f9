package rest

import "net/http"

// routes is the whole API, and a row all that there is to say of an operation.
// Each path is also served without its last slash and under /api/v1/ (see
// web.CanonicalPath). Unless the row says otherwise, a call leaves a row in the
// audit log, and its work takes a place of a pool and has 15 seconds.
func routes(h *handlers) []route {
	const unauthenticated, notFound, conflict, gone = http.StatusUnauthorized, http.StatusNotFound, http.StatusConflict, http.StatusGone
	return []route{
		op("POST /api/auth/register/", "register", anybody, "Register a patient or a doctor", created(h.register)).
			describe(registerNote).example(registerExample()).fails(conflict).unaudited("makes an account, of which there was nothing to read or to change"),
		op("POST /api/auth/login/", "login", anybody, "Log in", to(h.login)).
			describe(loginNote).example(loginExample()).fails(unauthenticated, conflict).unaudited("answers the account's own name and tokens, nothing of a profile"),
		op("POST /api/auth/token/refresh/", "refreshToken", anybody, "Trade a refresh token for new tokens", to(h.refreshToken)).
			describe(refreshTokenNote).fails(unauthenticated).unaudited("answers tokens"),
		op("POST /api/auth/logout/", "logout", anybody, "End a session", to(h.logout)).
			ofSession().describe(logoutNote).unaudited("ends a session"),
		op("GET /api/auth/sessions/", "listSessions", everyone, "List one's own sessions", to(h.listSessions)).
			describe(listSessionsNote).unaudited("answers times"),
		op("DELETE /api/auth/sessions/{id}/", "endSession", everyone, "End one of one's own sessions", to(h.endSession)).
			describe(endSessionNote).unaudited("ends a session"),
		op("POST /api/auth/password/", "changePassword", everyone, "Change one's own password", to(h.changePassword)).
			describe(changePasswordNote).fails(conflict).unaudited("changes how its owner logs in"),
		op("GET /api/auth/totp/", "getTOTP", everyone, "Get the state of one's own second factor", to(h.getTOTP)).
			enrolling().unaudited("says whether there is a second factor"),
		op("POST /api/auth/totp/", "enrolTOTP", everyone, "Enrol a second factor", created(h.enrolTOTP)).
			enrolling().describe(enrolTOTPNote).fails(conflict).unaudited("changes how its owner logs in"),
		op("POST /api/auth/totp/confirm/", "confirmTOTP", everyone, "Confirm the second factor", to(h.confirmTOTP)).
			enrolling().describe(confirmTOTPNote).fails(conflict).unaudited("changes how its owner logs in"),
		op("POST /api/auth/totp/disable/", "disableTOTP", everyone, "Disable the second factor", to(h.disableTOTP)).
			describe(disableTOTPNote).fails(conflict).unaudited("changes how its owner logs in"),
		op("GET /api/auth/profile/", "getProfile", everyone, "Get one's own profile", to(h.getProfile)).
			enrolling().auditedFor(patients, "a doctor's or an administrator's profile is no patient's data"),
		op("PUT /api/auth/profile/", "replaceProfile", everyone, "Update one's own profile", to(h.replaceProfile)).
			describe(replaceProfileNote).example(replaceProfileExample()).fails(conflict),
		op("PATCH /api/auth/profile/", "changeProfile", everyone, "Change some fields of one's own profile", to(h.changeProfile)).
			describe(changeProfileNote).example(changeProfileExample()).fails(conflict),
		op("GET /api/auth/doctors/", "listDoctors", everyone, "List the directory of doctors", to(h.listDoctors)).
			describe(listDoctorsNote).unaudited("doctors are no patients"),
		op("POST /api/auth/assign-doctor/", "assignDoctor", doctorsAndAdmins, "Assign a doctor to a patient", to(h.assignDoctor)).
			describe(assignDoctorNote).example(assignDoctorExample()).fails(notFound, conflict, gone),

		op("GET /api/health-records/", "listRecords", patientsOrDoctors, "List health records", to(h.listRecords)).
			describe(listRecordsNote),
		op("POST /api/health-records/", "createRecord", patients, "Create a health record", created(h.createRecord)).
			fails(gone),
		op("GET /api/health-records/{id}/", "getRecord", patientsOrDoctors, "Get a health record", to(h.getRecord)).
			describe(getRecordNote),
		op("PUT /api/health-records/{id}/", "replaceRecord", patients, "Replace a health record", to(h.replaceRecord)).
			describe(replaceRecordNote),
		op("PATCH /api/health-records/{id}/", "changeRecord", patients, "Change some fields of a health record", to(h.changeRecord)).
			describe(changeRecordNote).example(changeRecordExample()),
		op("DELETE /api/health-records/{id}/", "deleteRecord", patients, "Delete a health record", to(h.deleteRecord)).
			describe(deleteRecordNote),
		op("GET /api/health-records/{id}/comments/", "listComments", patientsOrDoctors, "List the comments on a health record", to(h.listComments)).
			describe(listCommentsNote),
		op("POST /api/health-records/{id}/comments/", "addComment", doctors, "Comment on a health record", created(h.addComment)).
			describe(addCommentNote).fails(gone),
		op("GET /api/health-records/my-patients/", "listMyPatients", doctors, "List one's assigned patients", to(h.listMyPatients)),

		op("GET /api/notifications/", "listNotifications", everyone, "List one's notifications", to(h.listNotifications)).
			describe(listNotificationsNote),
		op("POST /api/notifications/{id}/read/", "readNotification", everyone, "Mark a notification as read", to(h.readNotification)),
		op("POST /api/notifications/mark-all-read/", "readAllNotifications", everyone, "Mark all notifications as read", to(h.readAllNotifications)).
			unaudited("answers a number, and changes what was read, not what it is about"),

		op("GET /api/patients/", "listPatients", admins, "Find patients", to(h.listPatients)).
			describe(listPatientsNote),
		op("POST /api/users/{id}/disable/", "disableUser", admins, "Disable an account", to(h.disableUser)).
			describe(disableUserNote).fails(conflict),
		op("POST /api/users/{id}/enable/", "enableUser", admins, "Enable an account", to(h.enableUser)).
			describe(enableUserNote),
		op("POST /api/doctors/{id}/verify/", "verifyDoctor", admins, "Verify a doctor's license", to(h.verifyDoctor)).
			describe(verifyDoctorNote).fails(conflict).unaudited("doctors are no patients"),
		op("GET /api/assignments/", "listAssignments", everyone, "List assignments", to(h.listAssignments)).
			describe(listAssignmentsNote),
		op("GET /api/assignments/{id}/", "getAssignment", everyone, "Get an assignment", to(h.getAssignment)).
			describe(getAssignmentNote),
		op("POST /api/break-glass/", "breakGlass", doctors, "Open emergency access to a patient's records", to(h.openBreakGlass)).
			describe(breakGlassNote).fails(notFound, conflict, gone),
		op("DELETE /api/assignments/{id}/", "endAssignment", admins, "End an assignment", to(h.endAssignment)).
			describe(endAssignmentNote).fails(conflict),

		op("GET /.well-known/jwks.json", "listKeys", anybody, "Get the keys that access tokens are verified with", to(h.listKeys)).
			inMemory().describe(listKeysNote).unaudited("public keys"),
		op("GET /api/access-log/", "getAccessLog", patients, "See who looked at one's own data", to(h.getAccessLog)).
			describe(getAccessLogNote),
		op("GET /api/audit/", "getAudit", admins, "Read the audit log", to(h.getAudit)).
			describe(getAuditNote),

		op("GET /health/", "health", anybody, "Ask whether the API answers", to(h.health)).
			inMemory().unaudited("says nothing of anybody"),
	}
}
