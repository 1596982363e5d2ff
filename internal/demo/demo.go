// Package demo is the world that `lethe demo` plays in: an invented travel company with two apps at App Center and one
// user base at Batch, served by the simulators on this machine. It also knows, without asking Lethe's matcher, which
// objects are about the three people who are to be erased, so that the demo can show what the providers really lost.
//
// All people are invented. Addresses are under example.com, example.org, example.com.au and .test, phone numbers in
// ranges that regulators keep for film and books: 0171 39200xx in Germany (Bundesnetzagentur, numbers for drama), and
// 06 39 98 xx xx in France (Arcep).
package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/batch/batchtest"
)

// World is the running simulators and what was put into them. Its methods may be called from any goroutine.
type World struct {
	push     *appcentertest.Server
	profiles *batchtest.Server
	apps     []*app
	bases    []userBase

	pushHost, batchHost *host
}

// Start fills the simulators and serves each on a free port of 127.0.0.1 until Close. The same seed gives the same
// content; ports, container signatures and Batch's tokens differ from run to run. ctx bounds the start and not the world.
func Start(ctx context.Context, seed uint64) (*World, error) {
	return start(ctx, seed, full())
}

// sizes is how many devices each app has.
type sizes struct{ android, ios int }

func full() sizes { return sizes{android: 14_000, ios: 6_000} }

func start(ctx context.Context, seed uint64, size sizes) (*World, error) {
	w := &World{}
	w.apps, w.bases = content(seed, size)
	world := appcentertest.World{}
	for _, a := range w.apps {
		world.Apps = append(world.Apps, a.App)
	}
	w.push = appcentertest.New(world)
	users := map[string][]string{}
	for _, b := range w.bases {
		users[b.apiKey] = b.users
	}
	w.profiles = batchtest.New(batchRESTKey, users)

	var err error
	if w.pushHost, err = serve(ctx, w.push); err != nil {
		return nil, fmt.Errorf("serve the simulator of App Center: %w", err)
	}
	if w.batchHost, err = serve(ctx, w.profiles); err != nil {
		return nil, errors.Join(fmt.Errorf("serve the simulator of Batch: %w", err), w.pushHost.close())
	}
	return w, nil
}

// content is everything that the simulators hold at the start.
func content(seed uint64, size sizes) ([]*app, []userBase) {
	apps := []*app{androidApp(stream(seed, 1), size.android), iosApp(stream(seed, 2), size.ios)}
	return apps, userBases(stream(seed, 3), apps)
}

// stream gives each part of the world its own numbers, so that a change to one part leaves the others as they are.
func stream(seed, part uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, part)) }

// Close stops the simulators. The counts can still be asked for.
func (w *World) Close() error { return errors.Join(w.pushHost.close(), w.batchHost.close()) }

// Count is what one area of one target holds.
type Count struct {
	Target, Area string
	Objects      int // in all
	OfPeople     int // that are about one of the three people, as planted
}

// Counts counts what the simulators hold now, in a fixed order: App Center's targets with three areas each, then
// Batch's.
func (w *World) Counts() []Count {
	var out []Count
	for _, a := range w.apps {
		for _, h := range w.held(a) {
			out = append(out, Count{a.target, h.area, len(h.ids), len(both(h.ids, a.planted[h.area].people))})
		}
	}
	for _, b := range w.bases {
		users := w.profiles.Users(b.apiKey)
		out = append(out, Count{b.target, "profile", len(users), len(both(users, b.people))})
	}
	return out
}

// holding is the ids of the objects in an area.
type holding struct {
	area string
	ids  []string
}

func (w *World) held(a *app) []holding {
	return []holding{
		{devices, ids(w.push.Devices(a.Key()), installID)},
		{audiences, ids(w.push.Audiences(a.Key()), audienceName)},
		{notifications, ids(w.push.Notifications(a.Key()), notificationID)},
	}
}

func ids[T any](all []T, id func(T) string) []string {
	out := make([]string, len(all))
	for n, one := range all {
		out[n] = id(one)
	}
	return out
}

func installID(d appcentertest.Device) string            { return d.InstallID }
func audienceName(a appcentertest.Audience) string       { return a.Name }
func notificationID(n appcentertest.Notification) string { return n.ID }

func both(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(id string) bool { return !slices.Contains(b, id) })
}

// Calls counts the calls so far by operation: App Center's and its container's under the names of appcentertest.Op, and
// "BatchDelete".
func (w *World) Calls() map[string]int {
	out := map[string]int{}
	for op, n := range w.push.Counts() {
		out[string(op)] = n
	}
	if n := len(w.profiles.Calls()); n > 0 {
		out["BatchDelete"] = n
	}
	return out
}
