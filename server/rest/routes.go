package rest

import (
	"net/http"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// routes is the whole API: each row describes an operation completely. Every
// path is also served without its trailing slash and under /api/v1/ (see
// web.CanonicalPath). Unless the row says otherwise, a call adds a row to the
// audit log, occupies a place in a pool, and has 15 seconds for its work.
func routes(h *handlers) []route {
	const unauthenticated, notFound, conflict, gone = http.StatusUnauthorized, http.StatusNotFound, http.StatusConflict, http.StatusGone
	return []route{
		op("POST /api/auth/register/", "register", anybody, "Register a patient or a doctor", created(h.register)).
			describe(registerNote).example(registerExample()).conflicts("username_taken", "license_number_taken", "idempotency_key_reused").unaudited("creates an account: no data existed before"),
		op("POST /api/auth/login/", "login", anybody, "Log in", to(h.login)).
			describe(loginNote).example(loginExample()).fails(unauthenticated, conflict).unaudited("returns the user's own name and tokens, and no profile"),
		op("POST /api/auth/token/refresh/", "refreshToken", anybody, "Exchange a refresh token for new tokens", to(h.refreshToken)).
			describe(refreshTokenNote).fails(unauthenticated).unaudited("returns tokens only"),
		op("POST /api/auth/logout/", "logout", anybody, "Log out", to(h.logout)).
			ofSession().describe(logoutNote).unaudited("ends a session"),
		op("GET /api/auth/sessions/", "listSessions", everyone, "List your own sessions", to(h.listSessions)).
			describe(listSessionsNote).unaudited("returns where and when the caller logged in"),
		op("DELETE /api/auth/sessions/{id}/", "endSession", everyone, "End one of your own sessions", to(h.endSession)).
			describe(endSessionNote).unaudited("ends a session"),
		op("POST /api/auth/password/", "changePassword", everyone, "Change your own password", to(h.changePassword)).
			describe(changePasswordNote).example(changePasswordExample()).conflicts("password_changed").unaudited("changes how the caller logs in"),
		op("POST /api/auth/password/reset/", "resetPassword", anybody, "Set a new password with a one-time code", to(h.resetPassword)).
			describe(resetPasswordNote).fails(unauthenticated).unaudited("changes how the user logs in"),
		op("GET /api/auth/totp/", "getTOTP", everyone, "Get the state of your own second factor", to(h.getTOTP)).
			enrolling().unaudited("returns whether the caller has a second factor"),
		op("POST /api/auth/totp/", "enrolTOTP", everyone, "Enroll a second factor", created(h.enrolTOTP)).
			enrolling().describe(enrolTOTPNote).conflicts("totp_not_configured", "totp_enabled").unaudited("changes how the caller logs in"),
		op("POST /api/auth/totp/confirm/", "confirmTOTP", everyone, "Confirm the second factor", to(h.confirmTOTP)).
			enrolling().describe(confirmTOTPNote).conflicts("totp_not_enrolled", "totp_enabled").unaudited("changes how the caller logs in"),
		op("POST /api/auth/totp/disable/", "disableTOTP", everyone, "Disable the second factor", to(h.disableTOTP)).
			describe(disableTOTPNote).example(disableTOTPExample()).conflicts("totp_not_enrolled").unaudited("changes how the caller logs in"),
		op("GET /api/auth/profile/", "getProfile", everyone, "Get your own profile", to(h.getProfile)).
			enrolling().auditedFor(patients, "the profile of a doctor or an administrator contains no patient data"),
		op("PUT /api/auth/profile/", "replaceProfile", everyone, "Replace your own profile", to(h.replaceProfile)).
			describe(replaceProfileNote).example(replaceProfileExample()).conflicts("name_pending", "license_number_taken"),
		op("PATCH /api/auth/profile/", "changeProfile", everyone, "Change some fields of your own profile", to(h.changeProfile)).
			describe(changeProfileNote).example(changeProfileExample()).conflicts("name_pending", "license_number_taken"),
		op("GET /api/auth/doctors/", "listDoctors", everyone, "List the directory of doctors", to(h.listDoctors)).
			describe(listDoctorsNote).unaudited("contains no patient data"),
		op("GET /api/auth/doctors/{id}/", "getDoctor", everyone, "Get a doctor of the directory", to(h.getDoctor)).
			describe(getDoctorNote).unaudited("contains no patient data"),
		op("POST /api/auth/assign-doctor/", "assignDoctor", doctorsAndAdmins, "Assign a doctor to a patient", to(h.assignDoctor)).
			describe(assignDoctorNote).example(assignDoctorExample()).fails(notFound, gone).conflicts("assignment_over", "doctor_not_verified"),

		op("GET /api/health-records/", "listRecords", patientsOrDoctors, "List health records", to(h.listRecords)).
			describe(listRecordsNote),
		op("POST /api/health-records/", "createRecord", patients, "Create a health record", created(h.createRecord)).
			example(createRecordExample()).fails(gone),
		op("POST /api/health-records/search/", clinic.OperationSearch, patientsOrDoctors, "Search health records", to(h.searchRecords)).
			describe(searchRecordsNote).example(searchRecordsExample()),
		op("GET /api/health-records/{id}/", "getRecord", patientsOrDoctors, "Get a health record", to(h.getRecord)).
			describe(getRecordNote),
		op("PUT /api/health-records/{id}/", "replaceRecord", patients, "Replace a health record", to(h.replaceRecord)).
			describe(replaceRecordNote),
		op("PATCH /api/health-records/{id}/", "changeRecord", patients, "Change some fields of a health record", to(h.changeRecord)).
			describe(changeRecordNote).example(changeRecordExample()),
		op("DELETE /api/health-records/{id}/", "deleteRecord", patients, "Delete a health record", to(h.deleteRecord)).
			describe(deleteRecordNote),
		op("GET /api/health-records/{id}/versions/", "listRecordVersions", patientsOrDoctors, "List the versions of a health record", to(h.listRecordVersions)).
			describe(listRecordVersionsNote),
		op("GET /api/health-records/{id}/versions/diff/", "getRecordDifference", patientsOrDoctors, "Compare two versions of a health record", to(h.getRecordDifference)).
			describe(getRecordDifferenceNote),
		op("GET /api/health-records/{id}/versions/{version}/", "getRecordVersion", patientsOrDoctors, "Get a version of a health record", to(h.getRecordVersion)).
			describe(getRecordVersionNote),
		op("POST /api/health-records/{id}/restore/", "restoreRecord", patients, "Restore a version of a health record", to(h.restoreRecord)).
			describe(restoreRecordNote),
		op("POST /api/health-records/{id}/entered-in-error/", "markEnteredInError", patients, "Mark a health record as entered in error", to(h.markEnteredInError)).
			describe(markEnteredInErrorNote),
		op("DELETE /api/health-records/{id}/entered-in-error/", "unmarkEnteredInError", patients, "Take back that a health record was entered in error", to(h.unmarkEnteredInError)).
			describe(unmarkEnteredInErrorNote),
		op("GET /api/health-records/{id}/comments/", "listComments", patientsOrDoctors, "List the comments on a health record", to(h.listComments)).
			describe(listCommentsNote),
		op("POST /api/health-records/{id}/comments/", "addComment", doctors, "Comment on a health record", created(h.addComment)).
			describe(addCommentNote).fails(gone),
		op("PATCH /api/comments/{id}/", "correctComment", doctors, "Correct your own comment", to(h.correctComment)).
			describe(correctCommentNote).example(correctCommentExample()).conflicts("comment_final"),
		op("GET /api/comments/{id}/versions/", "listCommentVersions", patientsOrDoctors, "List the versions of a comment", to(h.listCommentVersions)).
			describe(listCommentVersionsNote),
		op("GET /api/health-records/my-patients/", "listMyPatients", doctors, "List your assigned patients", to(h.listMyPatients)),

		op("GET /api/notifications/", "listNotifications", everyone, "List your notifications", to(h.listNotifications)).
			describe(listNotificationsNote),
		op("POST /api/notifications/{id}/read/", "readNotification", everyone, "Mark a notification as read", to(h.readNotification)),
		op("POST /api/notifications/mark-all-read/", "readAllNotifications", everyone, "Mark all notifications as read", to(h.readAllNotifications)).
			unaudited("returns a number, and changes no patient data"),

		op("GET /api/patients/", "listPatients", admins, "Find patients", to(h.listPatients)).
			describe(listPatientsNote),
		op("GET /api/patients/{id}/legal-hold/", "getLegalHold", admins, "Get the legal hold on a patient", to(h.getLegalHold)),
		op("PUT /api/patients/{id}/legal-hold/", "placeLegalHold", admins, "Place a legal hold on a patient", to(h.placeLegalHold)).
			describe(placeLegalHoldNote).conflicts("erased"),
		op("DELETE /api/patients/{id}/legal-hold/", "liftLegalHold", admins, "Lift the legal hold on a patient", to(h.liftLegalHold)).
			describe(liftLegalHoldNote),
		op("GET /api/patients/{id}/erasure/", "getErasure", admins, "Get the erasure of a patient's data", to(h.getErasure)).
			describe(getErasureNote),
		op("POST /api/patients/{id}/erasure/", "requestErasure", admins, "Request the erasure of a patient's data", created(h.requestErasure)).
			describe(requestErasureNote).conflicts("erasure_requested", "legal_hold", "erased"),
		op("DELETE /api/patients/{id}/erasure/", "withdrawErasure", admins, "Withdraw the request to erase a patient's data", to(h.withdrawErasure)).
			describe(withdrawErasureNote).conflicts("erased"),
		op("POST /api/patients/{id}/erasure/confirm/", "confirmErasure", admins, "Confirm the erasure of a patient's data", to(h.confirmErasure)).
			describe(confirmErasureNote).conflicts("own_request", "legal_hold", "erased"),
		op("GET /api/erasures/", "listErasures", admins, "List erasures", to(h.listErasures)).
			describe(listErasuresNote),
		op("GET /api/users/", "listUsers", admins, "Find users", to(h.listUsers)).
			describe(listUsersNote),
		op("POST /api/users/{id}/disable/", "disableUser", admins, "Disable an account", to(h.disableUser)).
			describe(disableUserNote).conflicts("own_account"),
		op("POST /api/users/{id}/enable/", "enableUser", admins, "Enable an account", to(h.enableUser)).
			describe(enableUserNote).conflicts("erased"),
		op("POST /api/users/{id}/reset/", "issueResetCode", admins, "Issue a one-time code for a new password", to(h.issueResetCode)).
			describe(issueResetCodeNote).conflicts("own_account", "account_disabled"),
		op("POST /api/doctors/{id}/verify/", "verifyDoctor", admins, "Verify a doctor", to(h.verifyDoctor)).
			describe(verifyDoctorNote).example(verifyDoctorExample()).conflicts("doctor_changed").unaudited("contains no patient data"),
		op("GET /api/assignments/", "listAssignments", everyone, "List assignments", to(h.listAssignments)).
			describe(listAssignmentsNote),
		op("GET /api/assignments/{id}/", "getAssignment", everyone, "Get an assignment", to(h.getAssignment)).
			describe(getAssignmentNote),
		op("POST /api/break-glass/", "breakGlass", doctors, "Open emergency access to a patient's records", to(h.openBreakGlass)).
			describe(breakGlassNote).fails(notFound, gone).conflicts("doctor_not_verified"),
		op("DELETE /api/assignments/{id}/", "endAssignment", admins, "End an assignment", to(h.endAssignment)).
			describe(endAssignmentNote).orNothing("The assignment has ended", "DoctorAssignment objects keep the assignment: the doctor still has access").conflicts("managed_by_kubernetes"),
		op("DELETE /api/assignments/{id}/hold/", "liftHold", admins, "Let objects declare an assignment again", to(h.liftHold)).
			describe(liftHoldNote),

		op("GET /.well-known/jwks.json", "listKeys", anybody, "Get the public keys that verify access tokens", to(h.listKeys)).
			inMemory().describe(listKeysNote).unaudited("returns public keys only"),
		op("GET /api/access-log/", "getAccessLog", patients, "List who accessed your data", to(h.getAccessLog)).
			describe(getAccessLogNote),
		op("GET /api/audit/", "getAudit", admins, "List entries of the audit log", to(h.getAudit)).
			describe(getAuditNote),

		op("GET /health/", "health", anybody, "Check that the API is up", to(h.health)).
			inMemory().unaudited("contains no data"),
	}
}
