// Package rest is the platform's REST API.
//
// Begin with routes.go, the table of all operations, and with comments.go, a typical resource. A row of the table contains
// everything that is known about an operation; route.go defines what a row can contain. bind.go turns each row into a huma
// handler. huma derives the OpenAPI document from the handlers' types, and document.go completes it.
//
// Each resource has a file with its types, its handlers, and the descriptions of its operations. views.go contains the types
// that several answers share. parse.go parses values that the document's schemas cannot check, and patch.go applies merge
// patches.
//
// A handler decodes a request, calls a use case of package service, and renders the answer. It decides nothing: the service
// and the database decide what a caller may do and see.
package rest
