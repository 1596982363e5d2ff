// Package steps is the one list of the state machine's steps, and connects each to the clients that it calls. Lambda and
// the local runner take their steps from here. Each step has a constructor of its own, so that a function's binary holds
// what this one step needs and nothing of the others.
package steps

import (
	"context"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/batch"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/step"
)

// Version is what certificates name as the software.
const Version = "lethe 0.1.0"

// All makes all steps of the state machine. containers are those of Containers; signer signs certificates; alive tells
// whether a job is being worked on now.
func All(b erase.Base, link Link, containers func(target string) (erase.Container, error), signer erase.Signer, alive func(ctx context.Context, job string) bool) []step.Step {
	apps, profiles := Apps(link), Profiles(link)
	return []step.Step{
		OpenJob(b),
		ExportDevices(b, apps, containers, alive),
		MatchSubject(b, containers),
		RemoveExport(b, containers),
		ListAudiences(b, apps),
		ListNotifications(b, apps),
		ReviewFindings(b),
		RequestApproval(b),
		DeleteInstall(b, apps),
		DeleteAudiences(b, apps),
		DeleteNotifications(b, apps),
		BatchDelete(b, profiles),
		CloseJob(b, signer),
	}
}

// OpenJob makes the step of this name.
func OpenJob(b erase.Base) step.Step {
	return step.New("OpenJob", erase.OpenJob(b))
}

// ExportDevices makes the step of this name.
func ExportDevices(b erase.Base, apps map[string]*appcenter.Client, containers func(target string) (erase.Container, error), alive func(ctx context.Context, job string) bool) step.Step {
	return step.New("ExportDevices", erase.ExportDevices(b, func(target string) (erase.Exporter, erase.Container, error) {
		app, err := at(apps, target)
		if err != nil {
			return nil, nil, err
		}
		c, err := containers(target)
		return app, c, err
	}, alive))
}

// MatchSubject makes the step of this name.
func MatchSubject(b erase.Base, containers func(target string) (erase.Container, error)) step.Step {
	return step.New("MatchSubject", erase.MatchSubject(b, containers))
}

// RemoveExport makes the step of this name.
func RemoveExport(b erase.Base, containers func(target string) (erase.Container, error)) step.Step {
	return step.New("RemoveExport", erase.RemoveExport(b, containers))
}

// ListAudiences makes the step of this name.
func ListAudiences(b erase.Base, apps map[string]*appcenter.Client) step.Step {
	return step.New("ListAudiences", erase.ListAudiences(b, func(t string) (erase.AudienceLister, error) { return at(apps, t) }))
}

// ListNotifications makes the step of this name.
func ListNotifications(b erase.Base, apps map[string]*appcenter.Client) step.Step {
	return step.New("ListNotifications", erase.ListNotifications(b, func(t string) (erase.NotificationReader, error) { return at(apps, t) }))
}

// ReviewFindings makes the step of this name.
func ReviewFindings(b erase.Base) step.Step {
	return step.New("ReviewFindings", erase.ReviewFindings(b))
}

// RequestApproval makes the step of this name.
func RequestApproval(b erase.Base) step.Step {
	return step.New("RequestApproval", erase.RequestApproval(b))
}

// DeleteInstall makes the step of this name.
func DeleteInstall(b erase.Base, apps map[string]*appcenter.Client) step.Step {
	return step.New("DeleteInstall", erase.DeleteInstall(b, func(t string) (erase.InstallDeleter, error) { return at(apps, t) }))
}

// DeleteAudiences makes the step of this name.
func DeleteAudiences(b erase.Base, apps map[string]*appcenter.Client) step.Step {
	return step.New("DeleteAudiences", erase.DeleteAudiences(b, func(t string) (erase.AudienceDeleter, error) { return at(apps, t) }))
}

// DeleteNotifications makes the step of this name.
func DeleteNotifications(b erase.Base, apps map[string]*appcenter.Client) step.Step {
	return step.New("DeleteNotifications", erase.DeleteNotifications(b, func(t string) (erase.NotificationDeleter, error) { return at(apps, t) }))
}

// BatchDelete makes the step of this name.
func BatchDelete(b erase.Base, profiles map[string]*batch.Client) step.Step {
	return step.New("BatchDelete", erase.BatchDelete(b, func(t string) (erase.ProfileDeleter, error) { return at(profiles, t) }))
}

// CloseJob makes the step of this name.
func CloseJob(b erase.Base, signer erase.Signer) step.Step {
	return step.New("CloseJob", erase.CloseJob(b, signer, Version))
}

// at finds a target's client; a job may name a target that the configuration lost since.
func at[C any](clients map[string]C, target string) (C, error) {
	c, ok := clients[target]
	if !ok {
		return c, erase.UnknownTarget(target)
	}
	return c, nil
}
