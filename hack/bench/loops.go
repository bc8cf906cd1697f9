package main

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// run sends the job's requests and returns what became of them.
func (j job) run() outcome {
	var numbers atomic.Int64
	numbers.Store(time.Now().UnixNano()) // so that no two jobs have the same
	connections := make([]*connection, j.Connections)
	for i := range connections {
		connections[i] = newConnection(j, i, &numbers)
	}
	cpu, start := ownCPU(), time.Now()
	if j.Rate > 0 {
		j.openLoop(connections, start)
	} else {
		j.closedLoop(connections, start)
	}
	o := outcome{Seconds: time.Since(start).Seconds(), CPU: ownCPU() - cpu}
	var latencies []time.Duration
	for _, c := range connections {
		c.client.CloseIdleConnections()
		latencies = append(latencies, c.latencies...)
		o.Refused += c.refused
		o.Wrong += c.wrong
		o.Faults = append(o.Faults, c.faults...)
	}
	slices.Sort(latencies)
	o.Right, o.P50, o.P99 = len(latencies), percentile(latencies, 50), percentile(latencies, 99)
	o.Faults = o.Faults[:min(len(o.Faults), mostFaults)]
	return o
}

// closedLoop has each connection send a request as soon as the one before is answered.
func (j job) closedLoop(connections []*connection, start time.Time) {
	end := start.Add(time.Duration(j.Seconds * float64(time.Second)))
	var sent atomic.Int64
	var group sync.WaitGroup
	for _, c := range connections {
		group.Go(func() {
			for {
				if j.Requests > 0 && sent.Add(1) > j.Requests || j.Requests == 0 && !time.Now().Before(end) {
					return
				}
				c.send(time.Now())
			}
		})
	}
	group.Wait()
}

// openLoop sends requests at their scheduled times, through whichever connection is free. If none is, the request waits, and
// its latency includes that: it is counted from the scheduled time.
func (j job) openLoop(connections []*connection, start time.Time) {
	scheduled := schedule(start, j.Rate, j.Seconds)
	due := make(chan time.Time, len(scheduled))
	var group sync.WaitGroup
	for _, c := range connections {
		group.Go(func() {
			for at := range due {
				c.send(at)
			}
		})
	}
	runtime.LockOSThread() // it sleeps in the kernel
	for _, at := range scheduled {
		sleepUntil(at)
		due <- at
	}
	runtime.UnlockOSThread()
	close(due)
	group.Wait()
}

// schedule returns the times at which an open loop's requests are due.
func schedule(start time.Time, rate, seconds float64) []time.Time {
	times := make([]time.Time, max(1, int(rate*seconds)))
	for i := range times {
		times[i] = start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
	}
	return times
}

// ownCPU returns the seconds of CPU that this process has used.
func ownCPU() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0 // cannot happen for the calling process
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}
