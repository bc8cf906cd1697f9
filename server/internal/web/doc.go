// Package web is what every HTTP API of the server needs, whatever it serves: the exchange that follows a request, problem
// documents, authentication, limits, paging, conditional and repeatable requests. It knows no use case: what
// authentication needs comes in as functions.
//
// server.New shows what a request passes before the router; Guard.Steps what it passes before its handler.
package web
