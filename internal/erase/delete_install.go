package erase

import "context"

// InstallDeleter deletes one device by its install id, as the provider wrote it; already tells that it was gone.
type InstallDeleter interface {
	DeleteInstall(ctx context.Context, installID string) (already bool, err error)
}

// DeleteInstall deletes a slice of the cleared devices of a target, one call each.
func DeleteInstall(b Base, at func(target string) (InstallDeleter, error)) func(context.Context, On) (Slice, error) {
	return func(ctx context.Context, in On) (Slice, error) {
		d, err := at(in.Target)
		if err != nil {
			return Slice{}, err
		}
		return b.forget(ctx, in, Devices, 1, func(ctx context.Context, ids []string) (map[string]bool, error) {
			already, err := d.DeleteInstall(ctx, ids[0])
			return map[string]bool{ids[0]: already}, err
		})
	}
}
