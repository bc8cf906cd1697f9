package rest

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

func TestRecordsHaveEachOrderOfTheDomain(t *testing.T) {
	t.Parallel()
	ordering, _ := reflect.TypeFor[listRecordsRequest]().FieldByName("Ordering")
	offered := strings.Split(ordering.Tag.Get("enum"), ",")
	for _, order := range clinic.RecordOrders() {
		if !slices.Contains(offered, string(order)) {
			t.Errorf("%s is not offered", order)
		}
	}
	if len(offered) != len(clinic.RecordOrders()) {
		t.Errorf("%v are offered, want %v", offered, clinic.RecordOrders())
	}
}
