package people

import "github.com/lethe-dsr/lethe/internal/subject"

// person is one person of the file.
type person struct {
	subject.Subject
	line int // of the first row
}

// merge makes one person of all rows that are linked by a shared identifier, over any number of steps. People come in
// the order of their first rows, and their identifiers in the order of the file.
func merge(rows []row) []person {
	roots := link(rows)
	people := make([]person, 0, len(rows))
	place := make(map[int]int, len(rows)) // of a root's person
	type owned struct {
		person int
		key    string
	}
	has := make(map[owned]bool, len(rows)) // and not Subject.Add, whose cost grows with the square of the identifiers
	for n, r := range rows {
		at, known := place[roots[n]]
		if !known {
			at = len(people)
			place[roots[n]] = at
			people = append(people, person{line: r.line})
		}
		for _, id := range r.ids {
			if key := (owned{at, id.Key()}); !has[key] {
				has[key] = true
				people[at].Identifiers = append(people[at].Identifiers, id)
			}
		}
	}
	return people
}

// link gives each row the first row of its person: a union of sets, joined wherever two rows share a key.
func link(rows []row) (roots []int) {
	roots = make([]int, len(rows))
	for n := range roots {
		roots[n] = n
	}
	find := func(n int) int {
		for roots[n] != n {
			roots[n] = roots[roots[n]]
			n = roots[n]
		}
		return n
	}
	first := make(map[string]int, len(rows))
	for n, r := range rows {
		for _, key := range keys(r.ids) {
			before, seen := first[key]
			if !seen {
				first[key] = n
				continue
			}
			a, b := find(before), find(n)
			roots[max(a, b)] = min(a, b)
		}
	}
	for n := range roots {
		roots[n] = find(n)
	}
	return roots
}

// keys are what a row's person is known by: each of its identifiers, but properties only where there is nothing else,
// and then all together.
func keys(ids []subject.Identifier) []string {
	var out []string
	for _, id := range ids {
		if id.Type != subject.Property {
			out = append(out, id.Key())
		}
	}
	if out == nil {
		out = append(out, string(subject.Subject{Identifiers: ids}.Canonical().Encode()))
	}
	return out
}
