// Package people reads who is to be erased: a CSV file with one row a person, or the flags of one call. What is wrong is
// reported all at once, by line and column or by flag, and never with the value, which is somebody's identifier.
package people

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// MaxRows is how many rows with people one file may have: with their identifiers they are held in memory.
const MaxRows = 1_000_000

const (
	// maxPerson is how many bytes one person may take when encoded: with room for its sealing, what a ledger's item holds.
	maxPerson = 256 << 10
	// surelySmall is how many identifiers fit into that whatever they are, so that most people need not be encoded.
	surelySmall = 20
)

// maxBytes bounds a file before its rows are known: one quote that is never closed makes one cell of the whole rest.
const maxBytes = 512 << 20

// Result is a people file.
type Result struct {
	People []subject.Subject // in the order of their first rows
	Rows   int               // rows with people; blank ones do not count
	Merged int               // rows that were joined with an earlier row of the same person: Rows - len(People)
	Short  int               // identifiers too short to search free text with; see Short
}

// column is one column of the file.
type column struct {
	kind subject.Type
	name string // of a property
}

type reader struct {
	csv      *csv.Reader
	input    *io.LimitedReader
	columns  []column
	region   string
	maxRows  int
	found    collector
	rows     []row
	overlong bool
}

// row is one person as one row gives it.
type row struct {
	line int
	ids  []subject.Identifier
}

// Read reads a people file: CSV with commas or semicolons, whichever its header uses, UTF-8 with or without a byte order
// mark. The header is required and names the columns, in any order and any case: email, phone, user_id, install_id,
// property:NAME; a column may stand twice. Every row needs at least one identifier; blank lines and blank cells are
// skipped. region is the ISO country code of phone numbers without a country code, or "".
//
// Rows that share an e-mail address, a phone number, a user id or an install id are one person with the identifiers of
// all of them, and so are equal rows. A property alone joins nobody: many people may share its value.
//
// The error is a Problems, except where r itself fails; then it is a fault.BadInput too.
func Read(r io.Reader, region string) (Result, error) {
	return read(r, region, MaxRows, maxBytes)
}

func read(in io.Reader, region string, maxRows int, maxBytes int64) (Result, error) {
	r := &reader{input: &io.LimitedReader{R: in, N: maxBytes + 1}, region: region, maxRows: maxRows}
	buffered := bufio.NewReaderSize(r.input, 64<<10)
	if err := r.header(buffered); err != nil {
		return Result{}, err
	}
	if r.columns != nil {
		if err := r.body(); err != nil {
			return Result{}, err
		}
	}
	if err := r.found.problems(); err != nil {
		return Result{}, err
	}
	people := merge(r.rows)
	out := Result{Rows: len(r.rows), Merged: len(r.rows) - len(people), People: make([]subject.Subject, len(people))}
	for n, p := range people {
		if len(p.Identifiers) > surelySmall && len(p.Encode()) > maxPerson {
			r.found.add("line %d: the person who begins here has more identifiers than one request can hold; look for a value that many rows share", p.line)
		}
		out.People[n] = p.Subject
		out.Short += Short(p.Subject)
	}
	if err := r.found.problems(); err != nil {
		return Result{}, err
	}
	return out, nil
}

// header reads the first line, which also tells the delimiter. Columns stay nil where the rest cannot be understood.
func (r *reader) header(in *bufio.Reader) error {
	first, err := in.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return unreadable()
	}
	if bytes.HasPrefix(first, []byte("\xff\xfe")) || bytes.HasPrefix(first, []byte("\xfe\xff")) {
		r.found.add("line 1: the file is UTF-16; save it as CSV in UTF-8")
		return nil
	}
	if bytes.HasPrefix(first, []byte("\ufeff")) {
		in.Discard(len("\ufeff"))
		first = first[len("\ufeff"):]
	}
	line, _, _ := bytes.Cut(bytes.TrimLeft(first, "\r\n"), []byte("\n"))
	r.csv = csv.NewReader(in)
	r.csv.FieldsPerRecord = -1 // counted here, to go on after a wrong one
	r.csv.ReuseRecord = true
	if bytes.Count(line, []byte(";")) > bytes.Count(line, []byte(",")) {
		r.csv.Comma = ';'
	}
	record, err := r.next()
	switch {
	case r.overlong:
		return nil
	case errors.Is(err, io.EOF):
		r.found.add("line 1: the file is empty; it needs a header such as email,phone,user_id,install_id,property:NAME")
		return nil
	case err != nil:
		return err
	case record == nil:
		return nil
	}
	at, _ := r.csv.FieldPos(0)
	var columns []column
	for n, cell := range record {
		c, ok := parseColumn(cell)
		if !ok {
			// The cell is not shown: in a file without a header it is somebody's identifier.
			r.found.add("line %d, column %d: is no known column; the header may name email, phone, user_id, install_id and property:NAME", at, n+1)
			continue
		}
		columns = append(columns, c)
	}
	if len(columns) == len(record) {
		r.columns = columns
	}
	return nil
}

const maxName = 128 // characters of a property's name; App Center's SDK allows as many

func parseColumn(cell string) (column, bool) {
	cell = strings.TrimSpace(cell)
	kind, name, hasName := strings.Cut(cell, ":")
	c := column{subject.Type(strings.ToLower(strings.TrimSpace(kind))), strings.TrimSpace(name)}
	switch c.kind {
	case subject.Property:
		return c, c.name != "" && utf8.RuneCountInString(c.name) <= maxName && utf8.ValidString(c.name)
	case subject.Email, subject.Phone, subject.UserID, subject.InstallID:
		return c, !hasName
	}
	return c, false
}

// next reads one record. nil without an error is a record that was reported and cannot be used.
func (r *reader) next() ([]string, error) {
	record, err := r.csv.Read()
	var bad *csv.ParseError
	switch {
	case r.input.N <= 0:
		if !r.overlong {
			r.found.add("the file is too large; split it")
		}
		r.overlong = true
		return nil, io.EOF
	case err == nil || errors.Is(err, io.EOF):
		return record, err
	case errors.As(err, &bad):
		why := "a quote that is not closed, or stands where none may be"
		if bad.StartLine != bad.Line {
			why = fmt.Sprintf("%s; the row begins on line %d", why, bad.StartLine)
		}
		r.found.add("line %d: %s", bad.Line, why)
		return nil, nil
	}
	return nil, unreadable()
}

func unreadable() error {
	// The reader's own error may hold a path.
	return fault.New(fault.BadInput, "the people file could not be read to its end; nothing was taken from it")
}

func (r *reader) body() error {
	for {
		record, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			if len(r.rows) == 0 && r.found.n == 0 {
				r.found.add("line 1: the file has a header and nobody below it")
			}
			return nil
		case err != nil:
			return err
		case record == nil || blank(record) && len(record) == 1:
			continue
		case len(r.rows) == r.maxRows:
			line, _ := r.csv.FieldPos(0)
			r.found.add("line %d: the file has more than %d people; split it", line, r.maxRows)
			return nil
		}
		r.rows = append(r.rows, r.row(record))
	}
}

func (r *reader) row(record []string) row {
	line, _ := r.csv.FieldPos(0)
	out := row{line: line}
	if n := len(r.columns); len(record) < n || !blank(record[n:]) {
		r.found.add("line %d: has %d cells where the header has %d", line, len(record), n)
		return out
	}
	filled := 0
	for n, c := range r.columns {
		cell := record[n]
		if strings.TrimSpace(cell) == "" {
			continue
		}
		filled++
		// A cell is a slice of the whole row's text, which it would keep in memory.
		id, err := identifier(c.kind, c.name, strings.Clone(cell), r.region)
		if err != nil {
			at, _ := r.csv.FieldPos(n)
			r.found.add("line %d, column %d: %s", at, n+1, err)
			continue
		}
		out.ids = append(out.ids, id)
	}
	if filled == 0 {
		r.found.add("line %d: has no identifier; remove the row or fill it in", line)
	}
	return out
}

func blank(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}
