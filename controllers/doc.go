// Package controllers turns DoctorAssignment objects into assignments. Each kind has its own files, named after
// it: the reconciler, the outcome of a reconciliation, the release of an object's assignments, and the setup. Begin
// with Reconcile, in doctorassignment_reconciler.go. [Setup] connects it to the manager, and [Declarer] is the part
// of package service that it needs.
//
// A reconciliation of an object (a pass) has these steps, in this order:
//
//  1. release the assignments that deleted objects of the same name still own
//  2. get the object, and add the finalizer
//  3. declare what the spec says; or, if the object is being deleted, release or retain its assignments and
//     remove the finalizer
//  4. if the conditions have changed, write them in one patch of the status
//
// The outcome of the pass puts the object into one of five states. In each of them, exactly one condition is True:
//
//	state     conditions                            next pass
//	Ready     Ready=True                            after the resync interval
//	Scheduled Ready=False   Reconciling=True        at startsAt
//	Waiting   Ready=False   Reconciling=True        after the retry interval, which grows to the resync interval
//	Failing   Ready=Unknown Reconciling=True        by exponential back-off
//	Stalled   Ready=False   Stalled=True            when the spec changes
//
// Each pass may lead from any state to any other, depending on what it finds:
//
//	                         ┌── every patient is assigned ─────────────► Ready (Assigned)
//	                         │                                              │ startsAt moved    ▲ startsAt
//	                         ├── startsAt is in the future ─────────────► Scheduled (Scheduled)─┘
//	object ── one pass ──────┤
//	  ▲                      ├── a user is unknown, of another role or
//	  │                      │   not verified; another change was faster ► Waiting (PatientsNotAssigned, DoctorNotFound,
//	  │                      │                                             NotADoctor, DoctorNotVerified, Conflict)
//	  │                      ├── the database fails ───────────────────► Failing (Unavailable, InternalError)
//	  │                      └── the spec is invalid, or endsAt passed ─► Stalled (Invalid, Expired)
//	  └── the next pass of the state's row above
//
// An object that is being deleted leaves these states. Its finalizer keeps it until its assignments have ended or
// are retained. Until then, failures show as above, and the controller tries again even after a failure that would
// otherwise make the object Stalled:
//
//	deleted ── released or retained ─┬─► gone
//	   ▲  │                          └─► Waiting (Deleted), while another finalizer keeps the object
//	   └──┘ the database fails: Failing
package controllers
