// Package controllers carries DoctorAssignment objects into the clinic. Each kind has its own files, named
// after it: the reconciler, the outcome of a pass, the release of what an object holds, and the setup. Begin with
// Reconcile, in doctorassignment_reconciler.go; [Setup] connects it to the manager, and [Declarer] is what it needs of
// package service.
//
// One pass over an object has these steps, in this order:
//
//  1. release what deleted objects of the same name still hold
//  2. get the object, and add the finalizer
//  3. declare what the spec says; or, where the object is being deleted, release or retain its assignments and
//     remove the finalizer
//  4. write the conditions, in one patch of the status, and only when they changed
//
// The outcome of the pass decides in which of five states the object is. Exactly one condition is True but
// while a pass fails, when Ready is Unknown and Reconciling is True:
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
//	                         ├── startsAt is to come ───────────────────► Scheduled (Scheduled)─┘
//	object ── one pass ──────┤
//	  ▲                      ├── a user is unknown, of another role or
//	  │                      │   not verified; another change was faster ► Waiting (PatientsNotAssigned, DoctorNotFound,
//	  │                      │                                             NotADoctor, DoctorNotVerified, Conflict)
//	  │                      ├── the database fails ───────────────────► Failing (Unavailable, InternalError)
//	  │                      └── the spec is invalid, or endsAt passed ─► Stalled (Invalid, Expired)
//	  └── the next pass of the state's row above
//
// An object that is being deleted leaves these states. Its finalizer keeps it until its assignments have ended or
// are retained; meanwhile a failure shows as above, and is repeated even where it would otherwise be Stalled:
//
//	deleted ── released or retained ─┬─► gone
//	   ▲  │                          └─► Waiting (Deleted), while another finalizer keeps the object
//	   └──┘ the database fails: Failing
package controllers
