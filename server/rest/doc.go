// Package rest is the platform's REST API. routes.go is the table of its operations, and the one place of what is known of
// each; bind.go makes handlers of huma's out of it, document.go the OpenAPI document. Each resource has a file with its
// types, its handlers and the longer texts about its operations; views.go has the shapes that several answers share,
// parse.go reads what the document's schemas do not check.
//
// A handler decodes a request, hands over to internal/service and renders the answer. What a caller may do and see is
// decided by the service.
package rest
