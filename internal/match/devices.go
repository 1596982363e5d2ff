package match

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// Span is a part of a blob, in bytes. A line belongs to the span in which its first byte lies; End 0 is the end of the
// blob.
type Span struct{ Start, End int64 }

// Tally counts what a call of Devices did.
type Tally struct {
	Devices    int64 // readable lines, whether they matched or not
	Unreadable int64
	Bytes      int64 // length of the lines read, with their ends
	Next       int64 // blob offset of the first line not read yet; at or after the span's end when there is none
}

const (
	bufferSize = 1 << 20
	maxLine    = 8 << 20   // a longer line is unreadable
	askEvery   = 256 << 10 // bytes between two looks at more and the context
)

// Devices reads the lines of span. r delivers the decompressed blob from byte max(span.Start-1, 0) on, and further
// than span.End, so that the last line can be finished. device is called for each device that is somebody's,
// unreadable for each unreadable line that holds an identifier of somebody, with their refs; other unreadable lines
// are only counted. more is asked at least once per MiB; false ends the work at the end of the line that is being read,
// without an error, so every call gets on by a line at least. A nil more means to read all.
//
// Errors of r, of the callbacks and of ctx are returned as they are, with the tally up to the line before. A line may
// have up to 8 MiB; a longer one is unreadable. However long lines and blob are, memory stays bounded.
func (m *Matcher) Devices(ctx context.Context, r io.Reader, span Span, more func() bool, device func(Device) error, unreadable func(refs []string) error) (Tally, error) {
	s := session{m: m, ctx: ctx, span: span, more: more, device: device, unreadable: unreadable}
	s.scanner.filter = &m.filter
	return s.run(r)
}

// session is one call of Devices.
type session struct {
	m          *Matcher
	ctx        context.Context
	span       Span
	more       func() bool
	device     func(Device) error
	unreadable func([]string) error
	scanner    scanner
	readAll    bool // leave out the scanner; tests compare

	in    lines
	asked int64 // offset at which more was asked last
	stop  bool
	tally Tally
}

func (s *session) run(r io.Reader) (Tally, error) {
	s.in = lines{r: r, buf: make([]byte, bufferSize), offset: max(s.span.Start-1, 0)}
	s.asked = s.in.offset
	s.tally.Next = s.span.Start
	if err := s.ctx.Err(); err != nil {
		return s.tally, err
	}
	if s.span.Start > 0 {
		if done, err := s.toFirstLine(); done || err != nil {
			return s.tally, err
		}
	}
	for !s.stop && (s.span.End <= 0 || s.in.offset < s.span.End) {
		line, err := s.in.next(s.waiting)
		switch {
		case errors.Is(err, errLong):
			err = s.long()
		case err == nil:
			err = s.line(line)
		}
		if err != nil {
			if errors.Is(err, errEnd) {
				err = nil
			}
			return s.tally, err
		}
		s.in.drop()
		s.tally.Bytes += s.in.offset - s.tally.Next
		s.tally.Next = s.in.offset
		if err := s.ask(); err != nil {
			return s.tally, err
		}
	}
	return s.tally, nil
}

// toFirstLine skips the rest of the line that begins before the span. done is true when no line begins in the span.
func (s *session) toFirstLine() (done bool, err error) {
	for {
		found, err := s.in.skipLine()
		switch {
		case errors.Is(err, errEnd):
			s.tally.Next = s.in.offset
			return true, nil
		case err != nil:
			return true, err
		case found:
			s.tally.Next = s.in.offset
			return false, s.ask()
		case s.span.End > 0 && s.in.offset >= s.span.End:
			s.tally.Next = s.in.offset
			return true, nil
		}
		if err := s.ask(); err != nil {
			return true, err
		}
	}
}

// ask looks at the context and at more from time to time. A no is remembered until a line ends.
func (s *session) ask() error { return s.waiting(0) }

// waiting is ask in the middle of a line, of which that many bytes are there.
func (s *session) waiting(length int) error {
	at := s.in.offset + int64(length)
	if at-s.asked < askEvery {
		return nil
	}
	s.asked = at
	if s.more != nil && !s.more() {
		s.stop = true
	}
	return s.ctx.Err()
}

func (s *session) line(line []byte) error {
	if s.in.offset == 0 {
		line = bytes.TrimPrefix(line, []byte("\uFEFF"))
	}
	if skipSpace(line, 0) == len(line) {
		return nil
	}
	if !s.readAll && s.scanner.plain(line) {
		s.tally.Devices++
		return nil
	}
	devices, ok := s.m.read(line)
	if !ok {
		search := rawSearch{m: s.m}
		search.write(line)
		return s.lost(&search)
	}
	for _, d := range devices {
		if err := s.device(d); err != nil {
			return err
		}
	}
	s.tally.Devices++
	return nil
}

// lost counts an unreadable line and tells whose it is.
func (s *session) lost(search *rawSearch) error {
	if refs := search.refs(); len(refs) > 0 {
		if err := s.unreadable(refs); err != nil {
			return err
		}
	}
	s.tally.Unreadable++
	return nil
}

// long reads a line that is too long to be kept.
func (s *session) long() error {
	search := rawSearch{m: s.m}
	for {
		part, ended, err := s.in.part()
		if err != nil {
			return err
		}
		search.write(part)
		s.in.drop()
		if ended {
			return s.lost(&search)
		}
		if err := s.ask(); err != nil {
			return err
		}
	}
}
