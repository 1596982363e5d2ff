package boltstore

import (
	"bytes"
	"encoding/binary"
	"errors"

	"go.etcd.io/bbolt"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// The file has three buckets: the format (open.go), the items, and an index of the items that expire, ordered by time.
//
//	items:    item key -> version (8 bytes), expiry (8 bytes, Unix seconds, 0: never), data
//	expiries: expiry (8 bytes), item key -> nothing
//
// Numbers are big-endian. An item key is the partition's length (2 bytes), the partition and the sort: a partition's
// items lie next to each other in the order of sort, whatever bytes both consist of.
type tables struct{ items, expiries *bbolt.Bucket }

func tablesOf(tx *bbolt.Tx) tables {
	return tables{items: tx.Bucket([]byte(itemsBucket)), expiries: tx.Bucket([]byte(expiriesBucket))}
}

func itemKey(k ledger.Key) []byte {
	b := make([]byte, 0, 2+len(k.Partition)+len(k.Sort))
	b = binary.BigEndian.AppendUint16(b, uint16(len(k.Partition)))
	b = append(b, k.Partition...)
	return append(b, k.Sort...)
}

func expiryKey(expires int64, item []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(expires)), item...)
}

// record is the value of an item; version 0 means that there is none.
type record struct {
	version, expires int64
	data             []byte // belongs to the transaction; item copies it
}

const recordHead = 16

func decode(v []byte) (record, error) {
	if len(v) < recordHead {
		return record{}, errors.New("an item of the ledger is damaged; restore the file from a copy")
	}
	return record{
		version: int64(binary.BigEndian.Uint64(v)),
		expires: int64(binary.BigEndian.Uint64(v[8:])),
		data:    v[recordHead:],
	}, nil
}

func (r record) encode() []byte {
	b := make([]byte, 0, recordHead+len(r.data))
	b = binary.BigEndian.AppendUint64(b, uint64(r.version))
	b = binary.BigEndian.AppendUint64(b, uint64(r.expires))
	return append(b, r.data...)
}

func (r record) expired(now int64) bool { return r.expires != 0 && r.expires <= now }

func (r record) item(k ledger.Key) ledger.Item {
	return ledger.Item{Key: k, Version: r.version, Data: bytes.Clone(r.data)}
}

// live reads the item; one that expired is none.
func (t tables) live(key []byte, now int64) (record, error) {
	v := t.items.Get(key)
	if v == nil {
		return record{}, nil
	}
	rec, err := decode(v)
	if err != nil || rec.expired(now) {
		return record{}, err
	}
	return rec, nil
}

func (t tables) apply(c ledger.Change, now int64) error {
	key := itemKey(c.Key)
	old, err := t.live(key, now)
	if err != nil {
		return err
	}
	anyVersion := c.Data == nil && c.If == 0
	if !anyVersion && c.If != old.version {
		return ledger.ErrConflict
	}
	if err := t.remove(key); err != nil || c.Data == nil {
		return err
	}
	rec := record{version: old.version + 1, expires: c.Expiry(), data: c.Data}
	if rec.expires != 0 {
		if err := t.expiries.Put(expiryKey(rec.expires, key), nil); err != nil {
			return err
		}
	}
	return t.items.Put(key, rec.encode())
}

// remove deletes what is stored under key, expired or not, and its entry in the index.
func (t tables) remove(key []byte) error {
	v := t.items.Get(key)
	if v == nil {
		return nil
	}
	rec, err := decode(v)
	if err != nil {
		return err
	}
	if rec.expires != 0 {
		if err := t.expiries.Delete(expiryKey(rec.expires, key)); err != nil {
			return err
		}
	}
	return t.items.Delete(key)
}

// dropExpired removes up to limit items whose time has come, the oldest first.
func (t tables) dropExpired(now int64, limit int) error {
	var gone [][]byte
	cursor := t.expiries.Cursor()
	for k, _ := cursor.First(); k != nil && len(gone) < limit; k, _ = cursor.Next() {
		if int64(binary.BigEndian.Uint64(k)) > now {
			break
		}
		gone = append(gone, bytes.Clone(k[8:])) // a cursor must not be moved on after a deletion
	}
	for _, key := range gone {
		if err := t.remove(key); err != nil {
			return err
		}
	}
	return nil
}
