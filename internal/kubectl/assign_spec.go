package kubectl

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

// names splits lists that are separated by commas, and sorts them without duplicates: uppercase and lowercase letters of
// usernames are equivalent. Sorted names make a repeated call in another order the same object.
func names(arguments ...string) []string {
	var found []string
	for _, argument := range arguments {
		for name := range strings.SplitSeq(argument, ",") {
			if name = strings.TrimSpace(name); name != "" && !containsName(found, name) {
				found = append(found, name)
			}
		}
	}
	slices.SortFunc(found, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return found
}

func references(names []string) []v1alpha1.UserReference {
	references := make([]v1alpha1.UserReference, 0, len(names))
	for _, name := range names {
		references = append(references, v1alpha1.UserReference{Username: name})
	}
	return references
}

// nameFor returns the name of the object for these doctors and patients. Names of objects are in logs and events, so it
// contains no usernames, but a digest of them.
func nameFor(doctors, patients []string) string {
	text := strings.ToLower(strings.Join(doctors, ",") + " " + strings.Join(patients, ","))
	return fmt.Sprintf("assign-%x", sha256.Sum256([]byte(text)))[:len("assign-")+12]
}

// period returns the start and the end that --from and --until mean at the time now, in whole seconds.
func period(from, until string, now time.Time) (start, end *metav1.Time, err error) {
	begin := now
	if from != "" {
		if start, err = moment("--from", from, now); err != nil {
			return nil, nil, err
		}
		begin = start.Time
	}
	if until == "" {
		return start, nil, nil
	}
	if end, err = moment("--until", until, begin); err != nil {
		return nil, nil, err
	}
	if !end.After(now) {
		return nil, nil, errors.New("--until must be in the future")
	}
	if !end.After(begin) {
		return nil, nil, errors.New("--until must be later than --from")
	}
	return start, end, nil
}

// moment reads a time, or a duration after base.
func moment(flag, text string, base time.Time) (*metav1.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		length, ok := duration(text)
		if !ok {
			return nil, fmt.Errorf("%s takes a time such as 2030-01-31T08:00:00Z, or a duration such as 8h, 90d or 2w", flag)
		}
		at = base.Add(length)
	}
	return &metav1.Time{Time: at.UTC().Truncate(time.Second)}, nil
}

// duration reads a positive duration: as Go writes them, or a number of days or weeks of 24 hours.
func duration(text string) (time.Duration, bool) {
	if match := regexp.MustCompile(`^([0-9]{1,5})([dw])$`).FindStringSubmatch(text); match != nil {
		n, err := strconv.Atoi(match[1])
		unit := 24 * time.Hour
		if match[2] == "w" {
			unit *= 7
		}
		if err != nil || n < 1 || int64(n) > math.MaxInt64/int64(unit) {
			return 0, false
		}
		return time.Duration(n) * unit, true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= time.Second
}
