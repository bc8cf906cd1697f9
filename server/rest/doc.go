// Package rest is the platform's REST API: it decodes requests, proves who
// calls, hands over to internal/service and writes the answer or the one kind
// of error document. What a caller may do and see is decided by the service.
//
// A request passes, outermost first: observe (request id, access log, metrics),
// recover, security headers, CORS, the limit of concurrent requests, the time
// limit, canonicalPath, the route of routes.go, authenticate where the route is
// private, readBody, huma's validation, and the handler.
package rest
