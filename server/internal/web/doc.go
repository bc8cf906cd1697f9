// Package web contains what every HTTP API of the server needs: the data of a request in progress, problem documents,
// authentication, limits, paging, and conditional and repeatable requests. It does not depend on any use case: the server
// passes the functions that authentication needs.
//
// Begin with server.New, which shows what handles a request before the router, and [Guard.Steps], which shows what handles it
// before its handler: the token (auth.go), the body (body.go), a place in a pool (pools.go), and the second factor.
//
// A handler uses these:
//
//	[CallerOf]    returns the caller
//	[Paging]      parameters of a list, with [AnswerPage]; for a log, [LogPaging] and [AnswerLog]
//	[Repeatable]  the Idempotency-Key of a request
//	[ETag]        identifies the version of a record
//	[Fail]        turns a clinic error into a problem document; problem.go maps codes to statuses
//
// An [Exchange] carries the id, the route and the caller of a request from one layer to the next. limits.go defines all limits
// of time and size.
package web
