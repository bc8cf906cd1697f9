package controllers

import (
	"testing"
	"time"
)

func TestOptionsDefaults(t *testing.T) {
	t.Parallel()
	o := Options{Declarer: newFakeClinic()}
	o.setDefaults()
	if err := o.validate(); err != nil {
		t.Errorf("defaults are refused: %v", err)
	}
	if o.RetryInterval == 0 || o.ResyncInterval > 30*time.Second || o.SweepInterval == 0 || o.MaxConcurrentReconciles == 0 || o.Now().IsZero() {
		t.Errorf("defaults are %+v", o)
	}
}

func TestOptionsRefuse(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no declarer":       {},
		"a negative resync": {Declarer: newFakeClinic(), ResyncInterval: -time.Second},
		"a negative retry":  {Declarer: newFakeClinic(), RetryInterval: -time.Second},
		"a negative sweep":  {Declarer: newFakeClinic(), SweepInterval: -time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.setDefaults()
			if o.validate() == nil {
				t.Error("the options were taken")
			}
		})
	}
}
