package settings

import "testing"

func TestImportNeedsNoRedis(t *testing.T) {
	t.Parallel()
	variables := environ()
	delete(variables, "REDIS_URL")
	var with, without Import
	if err := load(variables, &without); err != nil || without.HasRedis() {
		t.Errorf("without Redis: %v", err)
	}
	if err := load(environ(), &with); err != nil || !with.HasRedis() {
		t.Errorf("with Redis: %v", err)
	}
	if err := load(environ("REDIS_URL", "http://"), new(Import)); err == nil {
		t.Error("a Redis URL that is none is accepted")
	}
}
