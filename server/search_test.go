package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// TestSearchIsAsLongAsDocumented compares the tags of the requests, and so the document,
// with the rule in package clinic.
func TestSearchIsAsLongAsDocumented(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin()
	searched := 0
	w.contract.each(func(path, method string, op *openapi3.Operation) {
		parameter := op.Parameters.GetByInAndName(openapi3.ParameterInQuery, "search")
		if parameter == nil {
			return
		}
		searched++
		if most := parameter.Schema.Value.MaxLength; most == nil || *most != clinic.MaxSearch {
			t.Errorf("%s documents another length than %d", op.OperationID, clinic.MaxSearch)
		}
		for length, status := range map[int]int{clinic.MaxSearch: http.StatusOK, clinic.MaxSearch + 1: http.StatusUnprocessableEntity} {
			text := url.QueryEscape(strings.Repeat("ä", length))
			w.want(status, call{method: method, path: path + "?search=" + text, token: admin.token})
		}
	})
	if searched == 0 {
		t.Error("nothing is searched")
	}
}
