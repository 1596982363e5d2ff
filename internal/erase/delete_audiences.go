package erase

import "context"

// AudienceDeleter deletes one audience by its name; already tells that it was gone.
type AudienceDeleter interface {
	DeleteAudience(ctx context.Context, name string) (already bool, err error)
}

// DeleteAudiences deletes a slice of the cleared audiences of a target, one call each.
func DeleteAudiences(b Base, at func(target string) (AudienceDeleter, error)) func(context.Context, On) (Slice, error) {
	return func(ctx context.Context, in On) (Slice, error) {
		d, err := at(in.Target)
		if err != nil {
			return Slice{}, err
		}
		return b.forget(ctx, in, Audiences, 1, func(ctx context.Context, names []string) (map[string]bool, error) {
			already, err := d.DeleteAudience(ctx, names[0])
			return map[string]bool{names[0]: already}, err
		})
	}
}
