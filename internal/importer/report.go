package importer

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/fhir"
)

// mostPositions bounds the positions that a report lists; it counts the others.
const mostPositions = 50

// report collects the results of the files. It has no health data: only types,
// counts, positions and fixed reasons.
type report struct {
	dryRun    bool
	files     int // loaded
	resources int
	result    clinic.ImportResult // without Refused
	truncated int
	unmapped  map[string]int
	skipped   map[skipKey]int
	omitted   map[skipKey]int
	positions []string
	failed    []string
	took      time.Duration
}

type skipKey struct{ kind, reason string }

func (k skipKey) String() string { return strings.TrimPrefix(k.kind+": "+k.reason, ": ") }

func newReport(dryRun bool) *report {
	return &report{
		dryRun:   dryRun,
		unmapped: map[string]int{}, skipped: map[skipKey]int{}, omitted: map[skipKey]int{},
		result: clinic.ImportResult{
			Accounts: map[clinic.Role]clinic.ImportCounts{}, Records: map[clinic.RecordType]clinic.ImportCounts{},
		},
	}
}

// add counts a loaded file.
func (r *report) add(name string, bundle *fhir.Bundle, result clinic.ImportResult) {
	r.files++
	r.resources += bundle.Resources
	r.truncated += bundle.Truncated
	r.result.LeftOut += result.LeftOut
	r.result.Assignments.Add(result.Assignments)
	addCounts(r.result.Accounts, result.Accounts)
	addCounts(r.result.Records, result.Records)
	for kind, n := range bundle.Unmapped {
		r.unmapped[kind] += n
	}
	for _, s := range bundle.Skipped {
		r.note(r.skipped, name, s)
	}
	for _, refused := range result.Refused {
		r.note(r.skipped, name, bundle.Refused(refused))
	}
	for _, s := range bundle.Omitted {
		r.note(r.omitted, name, s)
	}
}

func addCounts[K comparable](sum, more map[K]clinic.ImportCounts) {
	for k, c := range more {
		total := sum[k]
		total.Add(c)
		sum[k] = total
	}
}

// note counts an entry or part that is not imported, in r.skipped or r.omitted, and lists its place.
func (r *report) note(counts map[skipKey]int, name string, s fhir.Skipped) {
	counts[skipKey{s.Type, s.Reason}]++
	if len(r.positions) < mostPositions {
		r.positions = append(r.positions, fmt.Sprintf("%s: %s at %s: %s", printable(name), s.Type, s.At, s.Reason))
	}
}

// fail records that nothing of the file was loaded.
func (r *report) fail(name string, err error) {
	r.failed = append(r.failed, printable(name)+": "+err.Error())
}

// records counts the records seen so far.
func (r *report) records() int {
	n := 0
	for _, c := range r.result.Records {
		n += c.Created + c.Updated + c.Unchanged
	}
	return n
}

func (r *report) print(out io.Writer) error {
	var b strings.Builder
	r.printCounts(&b)
	printTable(&b, "Not mapped, by FHIR resource type:", r.unmapped, unmappedName)
	printTable(&b, "Skipped, though the type is mapped:", r.skipped, skipKey.String)
	printTable(&b, "Imported without a part of it:", r.omitted, skipKey.String)
	printList(&b, "Where:", r.positions)
	if n := sum(r.skipped) + sum(r.omitted) - len(r.positions); n > 0 {
		fmt.Fprintf(&b, "  and %d more\n", n)
	}
	printList(&b, "Files that were not loaded:", r.failed)
	if r.truncated > 0 {
		fmt.Fprintf(&b, "\nText fields that were shortened to the maximum length: %d\n", r.truncated)
	}
	if r.result.LeftOut > 0 {
		fmt.Fprintf(&b, "\nOptional fields of accounts that are not valid and were left empty: %d\n", r.result.LeftOut)
	}
	took := max(r.took, time.Millisecond)
	fmt.Fprintf(&b, "\n%d files, %d resources, %d records in %v (%.0f records/s)\n",
		r.files, r.resources, r.records(), took.Round(time.Millisecond), float64(r.records())/took.Seconds())
	_, err := io.WriteString(out, b.String())
	return err //nolint:wrapcheck // the caller names what it writes
}

func (r *report) printCounts(b *strings.Builder) {
	row := func(name string, c clinic.ImportCounts) {
		if r.dryRun {
			fmt.Fprintf(b, "%-13s%10d\n", name, c.Created)
			return
		}
		fmt.Fprintf(b, "%-13s%10d%10d%11d\n", name, c.Created, c.Updated, c.Unchanged)
	}
	if r.dryRun {
		fmt.Fprintf(b, "%-13s%10s\n", "", "valid")
	} else {
		fmt.Fprintf(b, "%-13s%10s%10s%11s\n", "", "created", "updated", "unchanged")
	}
	row("patients", r.result.Accounts[clinic.RolePatient])
	row("doctors", r.result.Accounts[clinic.RoleDoctor])
	row("assignments", r.result.Assignments)
	for _, t := range clinic.RecordTypes() {
		row(string(t), r.result.Records[t])
	}
}

func sum(counts map[skipKey]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// unmappedName adds to a type that is mapped as a part of others the reason why it counts here.
func unmappedName(kind string) string {
	switch kind {
	case "Observation":
		return kind + " (in no report)"
	case "Medication":
		return kind + " (in no prescription)"
	}
	return kind
}

// printTable prints the counts, the greatest first.
func printTable[K comparable](b *strings.Builder, title string, counts map[K]int, name func(K) string) {
	if len(counts) == 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(name(a), name(b)))
	})
	b.WriteString("\n" + title + "\n")
	for _, k := range keys {
		fmt.Fprintf(b, "%8d  %s\n", counts[k], name(k))
	}
}

func printList(b *strings.Builder, title string, items []string) {
	if len(items) == 0 {
		return
	}
	b.WriteString("\n" + title + "\n")
	for _, item := range items {
		b.WriteString("  " + item + "\n")
	}
}
