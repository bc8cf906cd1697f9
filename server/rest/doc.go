// Package rest is the platform's REST API.
//
// Begin with routes.go, the table of the operations, and with comments.go, a resource as most are. A row of the table is
// the one place of what is known of an operation; route.go says what a row may hold. bind.go makes a handler of huma's of
// each row, and document.go completes the OpenAPI document, which huma makes of the handlers' types.
//
// Each resource has a file with its types, its handlers and the longer texts about its operations. views.go has the
// shapes that several answers share. parse.go reads what the document's schemas do not check, and patch.go merge patches.
//
// A handler decodes a request, calls a use case of package service, and renders the answer. It decides nothing: what a
// caller may do and see is for the service and the database to say.
package rest
