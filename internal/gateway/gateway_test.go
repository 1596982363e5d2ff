package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/lethe-dsr/lethe/internal/gateway"
)

// event is a request as API Gateway hands it on.
func event(t *testing.T, change func(*events.APIGatewayV2HTTPRequest)) []byte {
	t.Helper()
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "POST /", RawPath: "/", RawQueryString: "lang=de&lang=fr",
		Headers: map[string]string{"content-type": "application/x-www-form-urlencoded", "host": "forged.example", "accept-language": "de,en;q=0.5", "cookie": "", "content-length": "5"},
		Cookies: []string{"a=1", "b=2"}, Body: "email",
	}
	e.RequestContext.DomainName = "abc.execute-api.eu-central-1.amazonaws.com"
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP = http.MethodPost, "203.0.113.7"
	change(&e)
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decoded(t *testing.T, b []byte) (e gateway.Event) {
	t.Helper()
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// ask lets a handler answer an event.
func ask(t *testing.T, e []byte, h http.HandlerFunc) events.APIGatewayV2HTTPResponse {
	t.Helper()
	out, err := gateway.Answer(t.Context(), h, decoded(t, e), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var answer events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestTheHandlerGetsTheRequest(t *testing.T) {
	t.Parallel()
	ask(t, event(t, func(*events.APIGatewayV2HTTPRequest) {}), func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "email" || r.ContentLength != 5 {
			t.Errorf("body %q of %d bytes, %v", body, r.ContentLength, err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/" || r.RequestURI != "/?lang=de&lang=fr" || !slices.Equal(r.URL.Query()["lang"], []string{"de", "fr"}) {
			t.Errorf("%s %s", r.Method, r.RequestURI)
		}
		if r.Host != "abc.execute-api.eu-central-1.amazonaws.com" || r.Header.Get("Host") != "" {
			t.Errorf("host %s, header %s", r.Host, r.Header.Get("Host"))
		}
		if r.RemoteAddr != "203.0.113.7:0" {
			t.Errorf("client %s", r.RemoteAddr)
		}
		if r.Header.Get("Accept-Language") != "de,en;q=0.5" {
			t.Errorf("a header was taken apart: %q", r.Header.Values("Accept-Language"))
		}
		if b, err := r.Cookie("b"); err != nil || b.Value != "2" {
			t.Errorf("cookie %v, %v", b, err)
		}
		if _, ok := gateway.CallerOf(r.Context()); ok {
			t.Error("somebody is known on a route without an authorizer")
		}
	})
}

func TestTheAnswerGoesBackWhole(t *testing.T) {
	t.Parallel()
	got := ask(t, event(t, func(*events.APIGatewayV2HTTPRequest) {}), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Add("Vary", "Cookie")
		w.Header().Add("Vary", "Accept-Language")
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusUnprocessableEntity)
		w.WriteHeader(http.StatusOK)
		w.Header().Set("Late", "yes")
		fmt.Fprint(w, "<p>Grüße")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, "</p>")
	})
	if got.StatusCode != http.StatusUnprocessableEntity || got.Body != "<p>Grüße</p>" || got.IsBase64Encoded {
		t.Errorf("%+v", got)
	}
	if got.Headers["Vary"] != "Cookie, Accept-Language" || got.Headers["Late"] != "" || got.Headers["Set-Cookie"] != "" {
		t.Errorf("headers %v", got.Headers)
	}
	if !slices.Equal(got.Cookies, []string{"a=1", "b=2"}) {
		t.Errorf("cookies %v", got.Cookies)
	}
	if got := ask(t, event(t, func(*events.APIGatewayV2HTTPRequest) {}), func(http.ResponseWriter, *http.Request) {}); got.StatusCode != http.StatusOK {
		t.Errorf("a handler that says nothing answers %d", got.StatusCode)
	}
	if got := ask(t, event(t, func(*events.APIGatewayV2HTTPRequest) {}), func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte{0xff, 0x00}) }); !got.IsBase64Encoded || got.Body != "/wA=" {
		t.Errorf("bytes that are no text: %+v", got)
	}
}

// A mux sees the path that the client sent, however the gateway hands it on.
func TestPathsAreThoseOfTheClient(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{"/status/a%2Fb": "a/b", "/status/a b": "a b", "/status/%41": "A", "/status/x": "x"} {
		mux := http.NewServeMux()
		mux.HandleFunc("/status/{token}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("token")) })
		e := event(t, func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = raw })
		if got := ask(t, e, mux.ServeHTTP); got.Body != want {
			t.Errorf("%s: %q (%d), want %q", raw, got.Body, got.StatusCode, want)
		}
	}
}

func TestWhoWasLetThrough(t *testing.T) {
	t.Parallel()
	iam := func(arn string) *events.APIGatewayV2HTTPRequestContextAuthorizerDescription {
		return &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{UserARN: arn}}
	}
	jwt := func(claims map[string]string) *events.APIGatewayV2HTTPRequestContextAuthorizerDescription {
		return &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: claims}}
	}
	for name, c := range map[string]struct {
		by   *events.APIGatewayV2HTTPRequestContextAuthorizerDescription
		want string
	}{
		"a role":                {iam("arn:aws:sts::111122223333:assumed-role/crm/session"), "crm/session true []"},
		"a user":                {iam("arn:aws:iam::111122223333:user/ann"), "ann true []"},
		"the account itself":    {iam("arn:aws:iam::111122223333:root"), "arn:aws:iam::111122223333:root true []"},
		"a scope":               {jwt(map[string]string{"sub": "client-1", "scope": "openid lethe/submit lethe/approve"}), "client-1 false [submit approve]"},
		"roles as a list":       {jwt(map[string]string{"sub": "u", "roles": "[lethe.approve other]"}), "u false [approve]"},
		"the same word twice":   {jwt(map[string]string{"sub": "u", "scp": "lethe:submit", "permissions": "[lethe:submit]"}), "u false [submit]"},
		"a word like ours":      {jwt(map[string]string{"sub": "u", "scope": "lethe letheapprove xlethe/approve lethe/"}), "u false []"},
		"a name with line ends": {jwt(map[string]string{"sub": "a\nb<script>", "scope": "lethe/submit"}), "a_b_script_ false [submit]"},
		"a token without name":  {jwt(map[string]string{"scope": "lethe/approve"}), "nobody"},
		"no authorizer":         {nil, "nobody"},
	} {
		e := event(t, func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.Authorizer = c.by })
		ask(t, e, func(_ http.ResponseWriter, r *http.Request) {
			got := "nobody"
			if who, ok := gateway.CallerOf(r.Context()); ok {
				got = fmt.Sprint(who.Name, " ", who.IAM, " ", who.Roles)
				if who.Session != "" {
					got = fmt.Sprint(who.Name, "/", who.Session, " ", who.IAM, " ", who.Roles)
				}
			}
			if got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		})
	}
}

func TestHeadIsAnsweredWithoutABody(t *testing.T) {
	t.Parallel()
	e := event(t, func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = http.MethodHead })
	got := ask(t, e, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<p>page</p>") })
	if got.StatusCode != http.StatusOK || got.Body != "" || got.Headers["Content-Type"] != "text/html; charset=utf-8" {
		t.Errorf("%+v", got)
	}
}

// API Gateway takes a body without a type for JSON.
func TestABodyHasAType(t *testing.T) {
	t.Parallel()
	e := event(t, func(*events.APIGatewayV2HTTPRequest) {})
	if got := ask(t, e, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "text") }); got.Headers["Content-Type"] != "text/plain; charset=utf-8" {
		t.Errorf("%+v", got)
	}
}

// Lambda takes 6 MB, and what JSON adds counts. Half an answer looks like a whole one.
func TestAnAnswerComesWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	e := event(t, func(*events.APIGatewayV2HTTPRequest) {})
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want int
	}{
		"tags":      {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("<&>", 5<<20/3)) }, http.StatusOK},
		"too large": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 6<<20)) }, http.StatusInternalServerError},
		"escaped":   {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("\"", 4<<20)) }, http.StatusInternalServerError},
		"bytes":     {func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte{0xff}, 5<<20)) }, http.StatusInternalServerError},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "half of i")
			panic(http.ErrAbortHandler)
		}, http.StatusInternalServerError},
	} {
		var log bytes.Buffer
		out, err := gateway.Answer(t.Context(), c.h, decoded(t, e), slog.New(slog.NewTextHandler(&log, nil)))
		var got events.APIGatewayV2HTTPResponse
		if err != nil || len(out) > 6<<20 || json.Unmarshal(out, &got) != nil || got.StatusCode != c.want {
			t.Errorf("%s: %d in %d bytes, %v", name, got.StatusCode, len(out), err)
		}
		if c.want >= 500 && (got.Headers["Content-Type"] != "application/problem+json" || !strings.Contains(got.Body, `"type":"/problems/internal"`) || strings.Contains(got.Body, "half")) {
			t.Errorf("%s: %v %.100s", name, got.Headers, got.Body)
		}
		if said := strings.Contains(log.String(), "larger than Lambda hands on"); said != (c.want >= 500 && name != "broken off") {
			t.Errorf("%s: logged %q", name, log.String())
		}
	}
}

func TestOtherEventsAreRefused(t *testing.T) {
	t.Parallel()
	for name, e := range map[string][]byte{
		"null": []byte("null"), "a list": []byte("[]"), "a schedule": []byte(`{"sweep": true}`), "format 1.0": []byte(`{"version":"1.0","path":"/"}`),
		"a body that is not what it says": event(t, func(e *events.APIGatewayV2HTTPRequest) { e.IsBase64Encoded, e.Body = true, "%" }),
		"a method that is none":           event(t, func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "GET /" }),
	} {
		var got gateway.Event
		err := json.Unmarshal(e, &got)
		if !errors.Is(err, gateway.ErrEvent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"version":"2.0","rawPath":"/status/%zz","rawQueryString":"a=%zz","headers":{"":"","a\nb":"c\r\nd"},"cookies":["\u0000"],"requestContext":{"domainName":"a","http":{"method":"GET","path":"/"}}}`))
	f.Add([]byte(`{"version":"2.0","rawPath":"//","requestContext":{"domainName":"a","authorizer":{"jwt":{"claims":{"sub":"x","scope":"[lethe/submit"}}}}}`))
	f.Fuzz(func(t *testing.T, e []byte) {
		echo := func(w http.ResponseWriter, r *http.Request) {
			if who, ok := gateway.CallerOf(r.Context()); ok && (len(who.Name) > 100 || strings.ContainsAny(who.Name, "\r\n<\"")) {
				t.Errorf("a name that is not fit for the evidence: %q", who.Name)
			}
			io.Copy(w, r.Body)
		}
		var event gateway.Event
		if err := json.Unmarshal(e, &event); err != nil {
			if json.Valid(e) && !errors.Is(err, gateway.ErrEvent) {
				t.Errorf("%v", err)
			}
			return
		}
		if out, err := gateway.Answer(context.Background(), http.HandlerFunc(echo), event, slog.New(slog.DiscardHandler)); err != nil || !json.Valid(out) {
			t.Errorf("the answer is no JSON: %v", err)
		}
	})
}
