package appcentertest

import (
	"net/http"
	"slices"
	"strings"
)

func (s *Server) deleteInstall(q *request) answer {
	a := q.app
	i := slices.IndexFunc(a.Devices, func(d Device) bool { return strings.EqualFold(d.InstallID, q.object) })
	if i < 0 {
		return a.err(http.StatusNotFound, "Installation not found.")
	}
	id := a.Devices[i].InstallID
	switch {
	case a.Behaviour.KeepInstalls:
	case a.back[id] < a.Behaviour.Reregister:
		a.back[id]++
	default:
		a.Devices = slices.Delete(a.Devices, i, i+1)
	}
	return answer{status: http.StatusOK}
}
