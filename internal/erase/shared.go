package erase

import "sync"

// shared keeps one value for those who use it at the same time, and no longer: the shards of a target are matched by
// several goroutines here, which all need the same matcher of the same people. On AWS each slice has its own process.
type shared[T any] struct {
	mu    sync.Mutex
	inUse map[string]*use[T]
}

type use[T any] struct {
	users int
	once  sync.Once
	value T
	err   error
}

// take gives the value of a key, made by make unless somebody has it. done must be called once, after the last use.
func (s *shared[T]) take(key string, make func() (T, error)) (value T, done func(), err error) {
	s.mu.Lock()
	if s.inUse == nil {
		s.inUse = map[string]*use[T]{}
	}
	u := s.inUse[key]
	if u == nil {
		u = &use[T]{}
		s.inUse[key] = u
	}
	u.users++
	s.mu.Unlock()
	done = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if u.users--; u.users == 0 && s.inUse[key] == u {
			delete(s.inUse, key)
		}
	}
	u.once.Do(func() { u.value, u.err = make() })
	if u.err != nil {
		s.mu.Lock()
		if s.inUse[key] == u { // who comes next tries again
			delete(s.inUse, key)
		}
		s.mu.Unlock()
	}
	return u.value, done, u.err
}
