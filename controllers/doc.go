// Package controllers turns DoctorAssignment objects into claims of assignments. Each kind has its own files, named after
// it: the reconciler, the outcome of a reconciliation, its status, the release of an object's claims, the patrol that compares
// objects with the database, the sweep that looks for claims without an object, and the setup. Begin with Reconcile, in
// doctorassignment_reconciler.go. [Setup] connects it to the manager, and [Declarer] is the part of package service that it
// needs. docs/spec/v1alpha1/doctorassignments.md is the specification.
//
// A reconciliation of an object (a pass) has these steps, in this order:
//
//  1. get the object, and add the finalizer
//  2. declare what the spec says; or, if the object is being deleted, release or retain its claims and remove the finalizer
//  3. if the status has changed, apply it, unless another controller has written it in the meantime
//  4. release the claims that deleted objects of the same name still have
//
// The outcome of the pass puts the object into one of five states. In each of them, exactly one condition is True:
//
//	state     conditions                            next pass
//	Ready     Ready=True                            at endsAt
//	Scheduled Ready=False   Reconciling=True        at startsAt
//	Waiting   Ready=False   Reconciling=True        after the retry interval, which grows to four times that
//	Failing   Ready=Unknown Reconciling=True        by exponential back-off
//	Stalled   Ready=False   Stalled=True            at endsAt
//
// In each of them, a pass also follows a change of the spec, and what the patrol finds. Each pass may lead from any state to
// any other, depending on what it finds:
//
//	                         ┌── access holds for every pair ───────────► Ready (Assigned)
//	                         │                                              │ startsAt moved    ▲ startsAt
//	                         ├── startsAt is in the future ─────────────► Scheduled (Scheduled)─┘
//	object ── one pass ──────┤
//	  ▲                      ├── a user is unknown or not verified;
//	  │                      │   another change was faster ─────────────► Waiting (PairsNotAssigned, DoctorNotFound,
//	  │                      │                                             DoctorNotVerified, Conflict, Superseded)
//	  │                      ├── the database fails ───────────────────► Failing (Unavailable, InternalError)
//	  │                      └── the spec is invalid, suspended or over,
//	  │                          a user has another role, or an
//	  │                          administrator ended a pair by force ───► Stalled (Invalid, Suspended, Ended, NotADoctor,
//	  │                                                                    NotAPatient, EndedByAdministrator)
//	  └── the next pass of the state's row above
//
// An object that is being deleted leaves these states. Its finalizer keeps it until its claims have ended or are retained.
// Until then, failures show as above, and the controller tries again even after a failure that would otherwise make the object
// Stalled:
//
//	deleted ── released or retained ─┬─► gone
//	   ▲  │                          └─► Waiting (Deleted), while another finalizer keeps the object
//	   └──┘ the database fails: Failing
package controllers
