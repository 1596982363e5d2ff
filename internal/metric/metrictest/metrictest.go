// Package metrictest reads CloudWatch's embedded metric format as CloudWatch does, for tests of those who write it.
package metrictest

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"
)

// Extract reads lines as CloudWatch does, and refuses what the format does not allow:
//
//   - A line is one JSON object. Its member _aws has a time, in whole milliseconds since 1970, at most two weeks ago and two
//     hours ahead, and directives; further members of the object are what directives name, and anything else.
//   - A directive has a namespace of 1 to 1,024 characters, at least one set of dimensions, and 1 to 100 metrics.
//   - A set has at most 30 dimensions, each named by 1 to 250 characters and there in the object as a text of 1 to 1,024
//     printable ASCII characters that do not begin with a colon.
//   - A metric has a name of 1 to 1,024 characters, a unit of CloudWatch's list, maybe a resolution of 1 or 60 seconds, and is
//     there in the object as a number, or up to 100 of them. JSON knows no other numbers than finite ones.
//   - A metric has one value for the same dimensions.
//   - A line has at most 256 KiB, the smaller one of the two limits that AWS's pages name.
//
// What it gives is the sum of each metric for each set of dimensions: "Findings Stack=lethe Target=acme-ios Area=devices".
// now is the time by which the lines are read.
func Extract(t *testing.T, lines []byte, now time.Time) map[string]float64 {
	t.Helper()
	sums := map[string]float64{}
	for _, line := range bytes.SplitAfter(lines, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		if !bytes.HasSuffix(line, []byte("\n")) || len(line) > 256<<10 {
			t.Errorf("a line of %d bytes, or without an end", len(line))
		}
		var root map[string]json.RawMessage
		if err := json.Unmarshal(line, &root); err != nil {
			t.Fatalf("not an object: %v: %s", err, line)
		}
		var meta struct {
			Timestamp         *int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct {
					Name, Unit        string
					StorageResolution *int
				}
			}
		}
		d := json.NewDecoder(bytes.NewReader(root["_aws"]))
		d.DisallowUnknownFields()
		if err := d.Decode(&meta); err != nil || meta.Timestamp == nil {
			t.Fatalf("_aws: %v: %s", err, line)
		}
		if at := time.UnixMilli(*meta.Timestamp); at.Before(now.AddDate(0, 0, -14)) || at.After(now.Add(2*time.Hour)) {
			t.Errorf("the time is %s", at)
		}
		seen := map[string]bool{}
		for _, directive := range meta.CloudWatchMetrics {
			if n := len(directive.Namespace); n < 1 || n > 1024 {
				t.Errorf("a namespace of %d characters", n)
			}
			if len(directive.Dimensions) < 1 || len(directive.Metrics) < 1 || len(directive.Metrics) > 100 {
				t.Errorf("%d sets of dimensions for %d metrics", len(directive.Dimensions), len(directive.Metrics))
			}
			for _, set := range directive.Dimensions {
				if len(set) > 30 {
					t.Errorf("a set of %d dimensions", len(set))
				}
				of := ""
				for _, name := range set {
					var value string
					if err := json.Unmarshal(root[name], &value); err != nil || len(name) < 1 || len(name) > 250 {
						t.Fatalf("the dimension %q has no text: %v: %s", name, err, line)
					}
					if len(value) < 1 || len(value) > 1024 || value[0] == ':' || slices.ContainsFunc([]byte(value), func(b byte) bool { return b < ' ' || b > '~' }) {
						t.Errorf("the dimension %s is %q", name, value)
					}
					of += " " + name + "=" + value
				}
				for _, m := range directive.Metrics {
					var value float64
					if err := json.Unmarshal(root[m.Name], &value); err != nil || string(root[m.Name]) == "null" {
						t.Fatalf("the metric %q has no number: %v: %s", m.Name, err, line)
					}
					if len(m.Name) < 1 || len(m.Name) > 1024 || !slices.Contains([]string{"None", "Count", "Seconds", "Milliseconds", "Percent", "Bytes"}, m.Unit) {
						t.Errorf("%q in %q", m.Name, m.Unit)
					}
					if r := m.StorageResolution; r != nil && *r != 1 && *r != 60 {
						t.Errorf("%s: a resolution of %d", m.Name, *r)
					}
					if key := m.Name + of; seen[key] {
						t.Errorf("%s twice in one line", key)
					} else {
						seen[key] = true
					}
					sums[m.Name+of] += value
				}
			}
		}
	}
	return sums
}

// Want checks sums that Extract gave: these, and no others.
func Want(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for k, v := range want {
		if sum, ok := got[k]; !ok || sum != v {
			t.Errorf("%s is %v (there: %t), want %v", k, sum, ok, v)
		}
	}
	for k, v := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("nobody asked for %s, which is %v", k, v)
		}
	}
}
