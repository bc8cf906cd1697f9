package main

import (
	"math"
	"slices"
	"time"
)

// percentile returns the smallest of the sorted durations that p percent of them do not exceed, and 0 if there are none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(float64(len(sorted)) * p / 100))
	return sorted[max(rank, 1)-1]
}

// spread is what several rounds of the same measurement have in common.
type spread struct{ median, least, most float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return spread{median: median, least: sorted[0], most: sorted[len(sorted)-1]}
}

// medianOf returns the median of one figure of each item.
func medianOf[T any](items []T, figure func(T) float64) float64 {
	return spreadOf(figures(items, figure)).median
}

func figures[T any](items []T, figure func(T) float64) []float64 {
	values := make([]float64, 0, len(items))
	for _, item := range items {
		values = append(values, figure(item))
	}
	return values
}
