package intake

import (
	"context"
	"slices"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// Identifier is one of a request's identifiers, in clear.
type Identifier struct {
	Type     subject.Type `json:"type"`
	Value    string       `json:"value"`
	Verified bool         `json:"verified"`
}

// Claims opens the identifiers of a request that waits for a person's word on what nobody verified: whoever has to say
// whether they are one person's must see them. It is the one place where the door shows identifiers. ledger.ErrNotFound
// when no word is waited for.
func (d Desk) Claims(ctx context.Context, id string) ([]Identifier, error) {
	v, err := d.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	if v.Ended || len(v.Claimed) == 0 || v.Vouched != nil {
		return nil, ledger.ErrNotFound
	}
	r, err := d.Ledger.Request(ctx, id)
	if err != nil {
		return nil, err
	}
	plain, err := d.Seal.Open(ctx, "request/"+id, r.Subject)
	if err != nil {
		return nil, err
	}
	s, err := subject.Decode(plain)
	if err != nil {
		return nil, err
	}
	var out []Identifier
	for _, i := range s.Identifiers {
		out = append(out, Identifier{i.Type, i.Value(), !slices.Contains(r.Claimed, string(i.Type))})
	}
	return out, nil
}
