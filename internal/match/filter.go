package match

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// filter tells cheaply of nearly every value that it is nobody's here. It never says so of a value that whole would
// find; the other way round it may be wrong, and the reader decides.
type filter struct {
	lengths    []bool   // by length of the trimmed identifier
	bloom      []uint64 // two bits for the hash of each trimmed and folded identifier
	mask       uint32
	tails      []uint64 // a bit for the last tailDigits digits of each phone number; nil without phones
	shortPhone bool     // some number is so short that its national form may have fewer than tailDigits digits
	bools      bool     // some property identifier is true or false
}

const (
	tailDigits = 6 // no dialling rule of any region changes the last six digits: prefixes and area codes come before
	tailCount  = 1_000_000
)

func newFilter(x *people) filter {
	n := len(x.email) + len(x.user) + len(x.install) + len(x.property) + len(x.userNumber) + len(x.propertyNumber)
	size := max(1<<16, 1<<bits.Len(uint(n)*32))
	f := filter{bloom: make([]uint64, size/64), mask: uint32(size - 1)}
	for _, set := range []map[string][]int32{x.email, x.user, x.install, x.userNumber} {
		for v := range set {
			f.add(v)
		}
	}
	for _, set := range []map[named][]int32{x.property, x.propertyNumber} {
		for v := range set {
			f.add(v.value)
			f.bools = f.bools || v.value == "true" || v.value == "false"
		}
	}
	if len(x.phone) > 0 {
		f.tails = make([]uint64, tailCount/64+1)
	}
	for v := range x.phone {
		tail, count := uint32(0), 0
		for i := range len(v) {
			if v[i] >= '0' && v[i] <= '9' {
				tail, count = (tail*10+uint32(v[i]-'0'))%tailCount, count+1
			}
		}
		f.tails[tail/64] |= 1 << (tail % 64)
		f.shortPhone = f.shortPhone || count < tailDigits+4 // three digits may be the country code
	}
	return f
}

func (f *filter) add(v string) {
	t := trimASCII([]byte(v))
	for len(f.lengths) <= len(t) {
		f.lengths = append(f.lengths, false)
	}
	f.lengths[len(t)] = true
	h := foldHash(t)
	a, b := uint32(h)&f.mask, uint32(h>>32)&f.mask
	f.bloom[a/64] |= 1 << (a % 64)
	f.bloom[b/64] |= 1 << (b % 64)
}

// text tells whether a string may be somebody's.
func (f *filter) text(v []byte, ascii bool) bool {
	if !ascii && f.foreign(v) {
		return true
	}
	t := trimASCII(v)
	return f.has(t) || ascii && f.tails != nil && len(t) > 0 && isPhoneByte(t[0]) && f.phone(t)
}

// foreign tells whether a value with other characters than ASCII may be an address or a number: these have forms that
// the hash does not see, such as a K that is the Kelvin sign. The rest is compared byte by byte.
func (f *filter) foreign(v []byte) bool {
	shape := f.tails != nil
	for i := 0; i < len(v); {
		if v[i] == '@' {
			return true
		}
		if !shape {
			i++
			continue
		}
		r, n := utf8.DecodeRune(v[i:])
		shape = isPhoneRune(r)
		i += n
	}
	if shape {
		return true
	}
	// A UUID or an address may have other spaces around it; both are trimmed by Unicode's idea of a space.
	return len(v) > 0 && (v[0] >= utf8.RuneSelf || v[len(v)-1] >= utf8.RuneSelf) && hexAndDash(v)
}

func hexAndDash(v []byte) bool {
	n := 0
	for _, c := range v {
		if c == '-' {
			n++
		}
	}
	return n >= 4
}

// number tells whether a JSON number may be somebody's. whole tells that it has neither fraction nor exponent.
func (f *filter) number(v []byte, whole bool) bool {
	if whole {
		return f.has(v) || f.tails != nil && f.phone(v)
	}
	for _, c := range v {
		if c == 'e' || c == 'E' {
			return true
		}
	}
	end := len(v)
	for end > 0 && v[end-1] == '0' {
		end--
	}
	if end < len(v) && end > 0 && v[end-1] == '.' { // 1234.0 is 1234, which may be a phone number too
		return f.number(v[:end-1], true) || f.has(v)
	}
	return f.has(v[:end]) || f.has(v)
}

func (f *filter) has(t []byte) bool {
	if len(t) >= len(f.lengths) || !f.lengths[len(t)] {
		return false
	}
	h := foldHash(t)
	a, b := uint32(h)&f.mask, uint32(h>>32)&f.mask
	return f.bloom[a/64]&(1<<(a%64)) != 0 && f.bloom[b/64]&(1<<(b%64)) != 0
}

// phone tells whether the ASCII value has the form of a phone number and ends like one that is looked for.
func (f *filter) phone(t []byte) bool {
	tail, unit, count := uint32(0), uint32(1), 0
	for i := len(t) - 1; i >= 0; i-- {
		c := t[i]
		if c >= '0' && c <= '9' {
			if count < tailDigits {
				tail += uint32(c-'0') * unit
				unit *= 10
			}
			count++
		} else if !isPhoneByte(c) {
			return false
		}
	}
	return f.tail(tail, count)
}

// tail tells whether a number of count digits that ends in tail may be looked for.
func (f *filter) tail(tail uint32, count int) bool {
	switch {
	case f.tails == nil || count < 2 || count > maxPhoneDigits:
		return false
	case f.shortPhone && count < 2*tailDigits:
		return true
	case count < tailDigits:
		return false
	}
	return f.tails[tail/64]&(1<<(tail%64)) != 0
}

func trimASCII(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] >= '\t' && b[0] <= '\r') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] >= '\t' && b[len(b)-1] <= '\r') {
		b = b[:len(b)-1]
	}
	return b
}

// foldHash is equal for texts that differ in the case of ASCII letters (and, harmlessly, for some others).
func foldHash(b []byte) uint64 {
	const (
		fold  = 0x2020202020202020
		prime = 0x9E3779B97F4A7C15
	)
	h := uint64(len(b)) * prime
	for ; len(b) >= 8; b = b[8:] {
		h = (bits.RotateLeft64(h, 29) ^ (binary.LittleEndian.Uint64(b) | fold)) * prime
	}
	var last uint64
	for i, c := range b {
		last |= uint64(c|0x20) << (8 * i)
	}
	h = (bits.RotateLeft64(h, 29) ^ last) * prime
	return h ^ h>>31
}
