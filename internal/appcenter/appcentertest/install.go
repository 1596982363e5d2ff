package appcentertest

import (
	"net/http"
	"slices"
	"strings"
)

// installs finds devices by their install ids, so that a sweep's thousands of deletes do not walk over all devices each.
// It is made by the first delete and void when the devices change in another way.
type installs struct {
	at   map[string][]int // indexes of the devices with a lower-case install id, in order
	gone map[int]bool     // deleted, and still in their places
}

func (a *app) deviceAt(id string) int {
	if a.installs.at == nil {
		a.installs = installs{map[string][]int{}, map[int]bool{}}
		for n, d := range a.Devices {
			k := strings.ToLower(d.InstallID)
			a.installs.at[k] = append(a.installs.at[k], n)
		}
	}
	if at := a.installs.at[strings.ToLower(id)]; len(at) > 0 {
		return at[0]
	}
	return -1
}

func (a *app) dropDevice(n int) {
	k := strings.ToLower(a.Devices[n].InstallID)
	a.installs.at[k] = a.installs.at[k][1:]
	a.installs.gone[n] = true
}

// settle takes what was deleted out of the devices; everything else that looks at them calls it first.
func (a *app) settle() {
	if len(a.installs.gone) > 0 {
		n := -1
		a.Devices = slices.DeleteFunc(a.Devices, func(Device) bool {
			n++
			return a.installs.gone[n]
		})
	}
	a.installs = installs{}
}

func (s *Server) deleteInstall(q *request) answer {
	a := q.app
	n := a.deviceAt(q.object)
	if n < 0 {
		return a.err(http.StatusNotFound, "Installation not found.")
	}
	id := a.Devices[n].InstallID
	switch {
	case a.Behaviour.KeepInstalls:
	case a.back[id] < a.Behaviour.Reregister:
		a.back[id]++
	default:
		a.dropDevice(n)
	}
	return answer{status: http.StatusOK}
}
