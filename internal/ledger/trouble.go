package ledger

import (
	"context"
	"errors"
	"strings"
)

// Trouble marks that a search met something of a request in a target and area that it could not read or erase.
func (l *Ledger) Trouble(ctx context.Context, job, target, area, request, fault string) error {
	b, err := l.breadth(ctx, job)
	if err != nil {
		return err
	}
	_, err = update(ctx, l, Key{troublePartition(job, b.of(request)), target + "/" + area + "/" + request}, true, func(f *string) error {
		*f = fault
		return nil
	})
	return err
}

// Troubles reads the marks: by target, area and request.
func (l *Ledger) Troubles(ctx context.Context, job string) (map[[3]string]string, error) {
	out := map[[3]string]string{}
	partitions, err := l.troublePartitions(ctx, job)
	for _, p := range partitions {
		err := each(ctx, l, p, "", func(sort string, _ int64, fault string) error {
			part := strings.SplitN(sort, "/", 3)
			if len(part) != 3 {
				return errors.New("ledger: a mark with an unusable key")
			}
			out[[3]string(part)] = fault
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, err
}

func (l *Ledger) troublePartitions(ctx context.Context, job string) ([]string, error) {
	b, err := l.breadth(ctx, job)
	return b.partitions(func(s string) string { return troublePartition(job, s) }), err
}

// ClearTroubles forgets the marks of an area before it is searched again.
func (l *Ledger) ClearTroubles(ctx context.Context, job, target, area string) error {
	partitions, err := l.troublePartitions(ctx, job)
	if err != nil {
		return err
	}
	return l.clear(ctx, target+"/"+area+"/", partitions...)
}
