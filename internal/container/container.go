// Package container reads the blob container that App Center exports devices into. It is apart from appcenter because the
// Azure SDK is large, and most programs read no export.
package container

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/fault"
)

// Container is the blob container that App Center exports devices into. It may be used by several goroutines.
type Container struct {
	id   string
	blob *azure.Client
}

// Open takes the SAS URL of a container; it calls nothing. Host style (account.blob.core.windows.net/container)
// and path style (host/account/container) both work, over https and http. transport is nil for a clone of
// http.DefaultTransport. The error is a fault.BadInput that says what is wrong with the URL and not what is in it.
//
// The SAS needs the rights to read, delete and list, and for App Center's export to write.
func Open(sas string, transport http.RoundTripper) (*Container, error) {
	u, err := url.Parse(sas)
	switch {
	case err != nil:
		return nil, fault.New(fault.BadInput, "export_container is no URL; paste the SAS URL of the blob container")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.User != nil, u.Fragment != "":
		return nil, fault.New(fault.BadInput, "export_container is not the URL of a blob container; it looks like https://account.blob.core.windows.net/container?sv=…&sig=…")
	case strings.Trim(u.Path, "/") == "":
		return nil, fault.New(fault.BadInput, "export_container names no container; the container's name stands between the host and the signature")
	case u.Query().Get("sig") == "":
		return nil, fault.New(fault.BadInput, "export_container has no signature (sig=…); make a SAS for the container with the rights to read, write, delete and list")
	case u.Query().Get("sr") == "b":
		return nil, fault.New(fault.BadInput, "export_container is the SAS of one blob (sr=b); make one for the container")
	}
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = 30 * time.Second
		transport = t
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	client, err := azure.NewClientWithNoCredential(u.String(), &azure.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: &http.Client{
			Transport: transport,
			// The signature is in the URL, and a redirect's Referer would hold it.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		// Short: the state machine repeats what takes longer.
		Retry:            policy.RetryOptions{MaxRetries: 2, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 2 * time.Second},
		Telemetry:        policy.TelemetryOptions{Disabled: true},
		PerRetryPolicies: []policy.Policy{identity{}},
	}})
	if err != nil {
		return nil, fault.New(fault.BadInput, "export_container is not a usable URL; paste the SAS URL of the blob container")
	}
	return &Container{id: strings.ToLower(u.Host) + u.EscapedPath(), blob: client}, nil
}

// identity asks for the blob's own bytes. Without the header net/http asks for gzip by itself, and unpacks whatever
// says Content-Encoding: gzip, as a gzip blob may.
type identity struct{}

func (identity) Do(r *policy.Request) (*http.Response, error) {
	r.Raw().Header.Set("Accept-Encoding", "identity")
	return r.Next()
}

// ID is the container's host and path without the signature: the same for every SAS of one container.
func (c *Container) ID() string { return c.id }

// List gives all blobs in the order of their names. More than most are a fault.ContainerNotOurs: an export does not
// write so many.
func (c *Container) List(ctx context.Context, most int) ([]appcenter.Blob, error) {
	var out []appcenter.Blob
	for pages := c.blob.NewListBlobsFlatPager(nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		// The SDK marks an answer that is not its XML by these words alone.
		if err != nil && !strings.HasPrefix(err.Error(), "unmarshalling type") {
			return nil, containerFault(ctx, "list its blobs", err)
		}
		if err != nil || page.Segment == nil {
			return nil, fault.New(fault.MalformedAnswer, "the export container was asked to list its blobs and answered with something else")
		}
		for _, b := range page.Segment.BlobItems {
			if b == nil || b.Name == nil || *b.Name == "" || b.Properties == nil || b.Properties.ContentLength == nil || b.Properties.ETag == nil {
				return nil, fault.New(fault.MalformedAnswer, "the export container lists a blob without name, length or ETag")
			}
			out = append(out, appcenter.Blob{Name: *b.Name, Size: *b.Properties.ContentLength, ETag: string(*b.Properties.ETag)})
		}
		if len(out) > most {
			return nil, fault.New(fault.ContainerNotOurs, "more than %d blobs lie in the export container; give Lethe a container of its own", most)
		}
	}
	return out, nil
}

// Delete removes a blob and its snapshots. One that is not there is no error; one that cannot be removed for a reason of
// its own, a lease or a hold, is a fault.ExportNotRemoved.
func (c *Container) Delete(ctx context.Context, name string) error {
	_, err := c.blob.NewBlobClient(name).Delete(ctx, &blob.DeleteOptions{DeleteSnapshots: to.Ptr(blob.DeleteSnapshotsOptionTypeInclude)})
	var res *azcore.ResponseError
	if errors.As(err, &res) {
		switch res.StatusCode {
		case http.StatusNotFound:
			return nil
		case http.StatusConflict, http.StatusPreconditionFailed:
			return fault.New(fault.ExportNotRemoved, "the export container does not delete a blob (HTTP %d); look for a lease, a legal hold or an immutability policy", res.StatusCode)
		}
	}
	return containerFault(ctx, "delete a blob", err)
}

// containerFault names the fault of an error of the SDK, whose text holds the URL with its signature.
func containerFault(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var res *azcore.ResponseError
	switch {
	case !errors.As(err, &res):
		return fault.New(fault.Unavailable, "the export container was asked to %s and cannot be reached, or its answer broke off; try again later", doing)
	case res.StatusCode >= 500, res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusRequestTimeout:
		return fault.New(fault.Unavailable, "the export container was asked to %s and answered HTTP %d; try again later", doing, res.StatusCode)
	case res.StatusCode < 300:
		return fault.New(fault.MalformedAnswer, "the export container was asked to %s and answered with something else", doing)
	}
	return fault.New(fault.ContainerRefused, "the export container was asked to %s and answered HTTP %d; its SAS is wrong or expired, lacks a right (read, write, delete and list are needed), or the container is gone", doing, res.StatusCode)
}
