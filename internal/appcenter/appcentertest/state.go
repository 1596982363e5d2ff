package appcentertest

import (
	"slices"
	"strings"
)

// app gives an app by its key. Naming one that is not in the World is a mistake in the caller's code.
func (s *Server) app(key string) *app {
	a := s.apps[key]
	if a == nil {
		panic("appcentertest: the world has no app " + key)
	}
	return a
}

// Devices gives the app's devices as they are.
func (s *Server) Devices(app string) []Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(app)
	a.settle()
	return slices.Clone(a.Devices)
}

// Audiences gives the app's audiences as they are, disabled ones too.
func (s *Server) Audiences(app string) []Audience {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.app(app).Audiences)
}

// Notifications gives the app's notifications as they are, archived ones too.
func (s *Server) Notifications(app string) []Notification {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.app(app).Notifications)
}

// Blobs gives the contents of the app's container by the blobs' names.
func (s *Server) Blobs(app string) map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]byte{}
	for name, b := range s.containers[s.app(app).Container].blobs {
		out[name] = slices.Clone(b.data)
	}
	return out
}

// PutDevice adds a device, or replaces the one with its install id: the app was started again.
func (s *Server) PutDevice(app string, d Device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(app)
	a.settle()
	a.Devices = put(a.Devices, d, func(o Device) bool { return strings.EqualFold(o.InstallID, d.InstallID) })
}

// PutAudience adds an audience, or replaces the one of its name.
func (s *Server) PutAudience(app string, u Audience) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(app)
	a.Audiences = put(a.Audiences, u, func(o Audience) bool { return o.Name == u.Name })
}

// PutNotification adds a notification, or replaces the one with its id.
func (s *Server) PutNotification(app string, n Notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(app)
	a.Notifications = put(a.Notifications, n, func(o Notification) bool { return o.ID == n.ID })
}

func put[T any](all []T, one T, same func(T) bool) []T {
	if i := slices.IndexFunc(all, same); i >= 0 {
		all[i] = one
		return all
	}
	return append(all, one)
}

// PutBlob writes a blob into the app's container: somebody else's file, or a change to an exported one.
func (s *Server) PutBlob(app, name string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.containers[s.app(app).Container].put(name, &blob{data: slices.Clone(data), contentType: "application/octet-stream"})
}

// Change lets f change how the app behaves and exports from now on. f may also change the app's devices, audiences and
// notifications, and must not keep the pointer.
func (s *Server) Change(app string, f func(*App)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(app)
	a.settle()
	key, container := a.Key(), a.Container
	f(&a.App)
	if a.Key() != key || a.Container != container {
		panic("appcentertest: an app keeps its owner, name and container")
	}
}

// PageBlobs makes the containers list at most n blobs at a time.
func (s *Server) PageBlobs(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobPage = n
}

// Fail adds faults behind those that are there.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		s.faults = append(s.faults, &armed{Fault: f})
	}
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Calls gives all calls of the operations so far, or all calls when none is named, in the order of their ends.
func (s *Server) Calls(ops ...Op) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Call
	for _, c := range s.calls {
		if len(ops) == 0 || slices.Contains(ops, c.Op) {
			out = append(out, c)
		}
	}
	return out
}

// Counts gives how many calls of each operation there were.
func (s *Server) Counts() map[Op]int {
	out := map[Op]int{}
	for _, c := range s.Calls() {
		out[c.Op]++
	}
	return out
}

// MostExports gives the most exports that were in progress at a time, by the names of their containers.
func (s *Server) MostExports() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for name, c := range s.containers {
		out[name] = c.most
	}
	return out
}
