package match

import (
	"bytes"
	"errors"
	"io"
)

var (
	errEnd  = errors.New("match: no more lines")
	errLong = errors.New("match: a line of more than 8 MiB")
)

// lines cuts a stream into lines in one buffer, which grows up to the longest line that is read as a whole.
type lines struct {
	r          io.Reader
	buf        []byte
	start, end int   // what is in the buffer and not dropped
	scanned    int   // of that, what is known to hold no line end
	taken      int   // what drop takes away
	offset     int64 // in the blob, of buf[start]
	err        error // of the reader; what came with it is used first
}

// next gives the line at offset without its line feed, errEnd after the last one, errLong for a line that does not
// fit, or the reader's error. The line is valid until the next call; drop goes behind it. Before more of an unfinished
// line is read, waiting gets the length of what is there; its error ends the call.
func (l *lines) next(waiting func(length int) error) ([]byte, error) {
	l.scanned = 0
	for {
		if n := bytes.IndexByte(l.buf[l.start+l.scanned:l.end], '\n'); n >= 0 {
			n += l.scanned
			l.taken = n + 1
			return l.buf[l.start : l.start+n], nil
		}
		l.scanned = l.end - l.start
		if l.scanned > maxLine {
			return nil, errLong
		}
		if l.err != nil {
			if l.err != io.EOF {
				return nil, l.err
			}
			if l.scanned == 0 {
				return nil, errEnd
			}
			l.taken = l.scanned
			return l.buf[l.start:l.end], nil
		}
		if err := waiting(l.scanned); err != nil {
			return nil, err
		}
		l.fill()
	}
}

// part gives what there is of a line that is too long; ended tells that it is the last of it.
func (l *lines) part() (b []byte, ended bool, err error) {
	if l.start == l.end && l.err == nil {
		l.fill()
	}
	if n := bytes.IndexByte(l.buf[l.start:l.end], '\n'); n >= 0 {
		l.taken = n + 1
		return l.buf[l.start : l.start+n], true, nil
	}
	l.taken = l.end - l.start
	if l.taken == 0 && l.err != nil {
		if l.err == io.EOF {
			return nil, true, nil
		}
		return nil, false, l.err
	}
	return l.buf[l.start:l.end], false, nil
}

// skipLine drops up to and with the next line feed, or what there is; found tells which.
func (l *lines) skipLine() (found bool, err error) {
	if l.start == l.end {
		if l.err == nil {
			l.fill()
		}
		if l.start == l.end && l.err != nil {
			if l.err == io.EOF {
				return false, errEnd
			}
			return false, l.err
		}
	}
	n := bytes.IndexByte(l.buf[l.start:l.end], '\n')
	l.taken = n + 1
	if n < 0 {
		l.taken = l.end - l.start
	}
	l.drop()
	return n >= 0, nil
}

// drop goes behind what was given last.
func (l *lines) drop() {
	l.start += l.taken
	l.offset += int64(l.taken)
	l.taken = 0
}

// fill reads once, after making room.
func (l *lines) fill() {
	if l.start > 0 {
		copy(l.buf, l.buf[l.start:l.end])
		l.start, l.end = 0, l.end-l.start
	}
	if l.end == len(l.buf) {
		grown := make([]byte, min(2*len(l.buf), maxLine+1))
		copy(grown, l.buf)
		l.buf = grown
	}
	for range 100 {
		n, err := l.r.Read(l.buf[l.end:min(len(l.buf), l.end+bufferSize)])
		l.end += n
		if l.err = err; n > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}
