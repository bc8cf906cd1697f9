package main

import (
	"testing"
	"time"
)

func TestPercentileIsOneOfTheDurations(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{nil, 50, 0},
		{[]time.Duration{7}, 1, 7},
		{[]time.Duration{7}, 99, 7},
		{[]time.Duration{1, 2, 3, 4}, 50, 2},
		{[]time.Duration{1, 2, 3, 4}, 51, 3},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{hundred[:10], 99, 10},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("percentile(%v, %v) = %v, want %v", c.sorted, c.p, got, c.want)
		}
	}
}

func TestSpreadHasMedianLeastAndMost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{9, 1, 5}, spread{5, 1, 9}},
		{[]float64{4, 1, 2, 30}, spread{3, 1, 30}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("spreadOf(%v) = %v, want %v", c.values, got, c.want)
		}
	}
	if got, want := (spread{median: 12345.6, least: 999, most: 1000000}).String(), "12,346 (999-1,000,000)"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

func TestScheduleIsEvenAndLastsAsLongAsAsked(t *testing.T) {
	t.Parallel()
	start := time.Now()
	times := schedule(start, 200, 1.5)
	if len(times) != 300 {
		t.Fatalf("%d requests, want 300", len(times))
	}
	for i, at := range times {
		if want := start.Add(time.Duration(i) * 5 * time.Millisecond); at.Sub(want).Abs() > time.Microsecond {
			t.Fatalf("request %d is due after %v, want %v", i, at.Sub(start), want.Sub(start))
		}
	}
	if got := len(schedule(start, 0.5, 1)); got != 1 {
		t.Errorf("%d requests at a low rate, want 1", got)
	}
}
