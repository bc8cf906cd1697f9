// Package web is what every HTTP API of the server needs, whatever it serves: the exchange that follows a request, problem
// documents, authentication, limits, paging, conditional and repeatable requests. It knows no use case: what
// authentication needs comes in as functions.
//
// Begin with server.New, which shows what a request passes before the router, and [Guard.Steps], which shows what it
// passes before its handler: the token (auth.go), the body (body.go), a place for the work (pools.go), the second factor.
//
// A handler uses these:
//
//	[CallerOf]    who calls
//	[Paging]      parameters of a list, with [AnswerPage] or, for a log, [LogPaging] and [AnswerLog]
//	[Repeatable]  the Idempotency-Key of a request
//	[ETag]        names the state of a record
//	[Fail]        makes a problem document of a clinic error; problem.go has the table of codes and statuses
//
// An [Exchange] carries the request's id, route and caller from one layer to the next. limits.go has every limit of time
// and size.
package web
