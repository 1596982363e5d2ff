package config_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // zones must not depend on the machine; cmd/lethe has them, too

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
)

func TestTheScheduleGivesTheNextTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cron, zone, after, want string }{
		{"0 3 * * *", "UTC", "2030-01-01T02:59:59Z", "2030-01-01T03:00:00Z"},
		{"0 3 * * *", "UTC", "2030-01-01T03:00:00Z", "2030-01-02T03:00:00Z"}, // after means after
		{"0 3 * * *", "Europe/Berlin", "2030-01-01T01:00:00Z", "2030-01-01T03:00:00+01:00"},
		{"0 3 * * *", "Europe/Berlin", "2030-07-01T02:00:00+02:00", "2030-07-01T03:00:00+02:00"},
		{"0 3 * * *", "America/New_York", "2030-01-01T00:00:00Z", "2030-01-01T03:00:00-05:00"},
		{"*/15 8-17 * jan,feb mon-fri", "UTC", "2030-03-01T00:00:00Z", "2031-01-01T08:00:00Z"},
		{"0 0 29 2 *", "UTC", "2030-01-01T00:00:00Z", "2032-02-29T00:00:00Z"},
		{"0  0 1 ? 0", "UTC", "2030-01-02T00:00:00Z", "2030-01-06T00:00:00Z"}, // the first of a month, or a Sunday
		// The clocks of Berlin skip 02:00 to 03:00 on 2030-03-31, and show it twice on 2030-10-27.
		{"30 2 * * *", "Europe/Berlin", "2030-03-30T12:00:00Z", "2030-04-01T02:30:00+02:00"},
		{"30 2 * * *", "Europe/Berlin", "2030-10-27T02:30:00+02:00", "2030-10-27T02:30:00+01:00"},
	} {
		t.Run(c.cron+" after "+c.after, func(t *testing.T) {
			t.Parallel()
			s := parse(t, minimal("serve: {schedule: {cron: '"+c.cron+"', zone: "+c.zone+"}}", "", "")).Serve.Schedule
			after, err := time.Parse(time.RFC3339, c.after)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Next(after); got.Format(time.RFC3339) != c.want || got.Location() != s.Zone {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestWithoutAScheduleNoTimeIsNext(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, s := range []config.Schedule{parse(t, minimal("", "", "")).Serve.Schedule, {}, {Cron: "planted", Zone: time.UTC}} {
		if got := s.Next(now); !got.IsZero() {
			t.Errorf("%+v gives %v", s, got)
		}
	}
	if got := (config.Schedule{Cron: "0 3 * * *"}).Next(now); !got.Equal(now.Add(3 * time.Hour)) {
		t.Errorf("without a zone got %v", got)
	}
}

func TestProblemsOfTheSchedule(t *testing.T) {
	t.Parallel()
	const five, zone = "serve.schedule.cron (line 2): must be five fields", "serve.schedule.zone (line 2): must be the name of a time zone"
	for _, c := range []struct{ schedule, want string }{
		{"planted", "serve.schedule (line 2): must be a mapping"},
		{"{cron: '0 3 * * *', at: planted}", "serve.schedule.at (line 2): unknown field; known here: cron, zone"},
		{"{zone: Europe/Berlin}", "serve.schedule.cron (line 2): is required"},
		{"{cron: planted}", five},
		{"{cron: '3 * * *'}", five},
		{"{cron: '0 0 3 * * *'}", five},
		{"{cron: '60 3 * * *'}", five},
		{"{cron: '0 24 * * *'}", five},
		{"{cron: '0 3 0 * *'}", five},
		{"{cron: '0 3 * 13 *'}", five},
		{"{cron: '0 3 * * 7'}", five},
		{"{cron: '0 3 * * planted'}", five},
		{"{cron: '*/0 * * * *'}", five},
		{"{cron: ', * * * *'}", five}, // the library would take it, and it never comes
		{"{cron: '@daily'}", five},
		{"{cron: '@every 1h'}", five},
		{"{cron: 'TZ=UTC 0 3 * * *'}", five},
		{"{cron: 'CRON_TZ=UTC 0 3 * * *'}", five},
		{"{cron: 'TZ=planted'}", five}, // the library would panic
		{"{cron: '0 3 30 2 *'}", "serve.schedule.cron (line 2): never comes"},
		{"{cron: '0 3 31 4,6,9,11 *'}", "serve.schedule.cron (line 2): never comes"},
		{"{cron: '0 3 * * *', zone: Planted/Nowhere}", zone},
		{"{cron: '0 3 * * *', zone: Local}", zone},
		{"{cron: '0 3 * * *', zone: ../../etc/planted}", zone},
	} {
		t.Run(c.schedule, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, minimal("serve: {schedule: "+c.schedule+"}", "", ""), "lanted", c.want)
		})
	}
}

func TestTheCertificateAndItsKey(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	certify := func(public crypto.PublicKey) string {
		t.Helper()
		c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "planted"}}
		der, err := x509.CreateCertificate(rand.Reader, c, c, public, key)
		return block("CERTIFICATE", der, err)
	}
	pkcs8 := func(key any) string {
		t.Helper()
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return block("PRIVATE KEY", der, err)
	}
	pkcs1 := func(key *rsa.PrivateKey) string {
		return block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil)
	}
	mine, other, onCurve := certify(key.Public()), certify(short.Public()), certify(curve.Public())
	const (
		keyWrong         = "serve.opendsr.key (line 5): must be one RSA key in PEM"
		certificateWrong = "serve.opendsr.certificate (line 4): must be X.509 certificates in PEM and nothing else"
		mismatch         = "serve.opendsr.key (line 5): does not belong to the first of the certificates"
	)
	for name, c := range map[string]struct{ certificate, key, want string }{
		"PKCS#1":                        {mine, pkcs1(key), ""},
		"PKCS#8":                        {mine, pkcs8(key), ""},
		"a chain":                       {mine + other, pkcs8(key), ""},
		"a chain with its names":        {"subject=a\n" + mine + "subject=b\n" + other, pkcs8(key), ""},
		"CRLF":                          {strings.ReplaceAll(mine, "\n", "\r\n"), strings.ReplaceAll(pkcs1(key), "\n", "\r\n"), ""},
		"a chain in the wrong order":    {other + mine, pkcs8(key), mismatch},
		"another key's certificate":     {other, pkcs1(key), mismatch},
		"a certificate on a curve":      {onCurve, pkcs1(key), mismatch},
		"a key of 1024 bits":            {other, pkcs1(short), "serve.opendsr.key (line 5): must have at least 2048 bits"},
		"a key on a curve":              {onCurve, pkcs8(curve), keyWrong},
		"no PEM for a key":              {mine, "planted", keyWrong},
		"two keys":                      {mine, pkcs1(key) + pkcs1(key), keyWrong},
		"a certificate for a key":       {mine, mine, keyWrong},
		"another PEM type for a key":    {mine, strings.ReplaceAll(pkcs8(key), "PRIVATE", "EC PRIVATE"), keyWrong},
		"PKCS#8 that says PKCS#1":       {mine, strings.ReplaceAll(pkcs8(key), "PRIVATE", "RSA PRIVATE"), keyWrong},
		"a key without line ends":       {mine, strings.ReplaceAll(pkcs1(key), "\n", " "), keyWrong},
		"no PEM for a certificate":      {"planted", pkcs1(key), certificateWrong},
		"a certificate of nothing":      {block("CERTIFICATE", []byte("planted"), nil), pkcs1(key), certificateWrong},
		"a certificate of another type": {strings.ReplaceAll(mine, "CERTIFICATE", "PLANTED"), pkcs1(key), certificateWrong},
		"a key after the certificate":   {mine + pkcs1(key), pkcs1(key), certificateWrong},
		"a broken key before it":        {"-----BEGIN RSA PRIVATE KEY-----\nplanted\n" + mine, pkcs1(key), certificateWrong},
		"a broken certificate after it": {mine + mine[:100], pkcs1(key), certificateWrong},
		"no certificate":                {"", pkcs1(key), "serve.opendsr.certificate (line 4): is required, because key is given"},
		"no key":                        {mine, "", "serve.opendsr.key (line 4): is required, because certificate is given"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := "serve:\n  opendsr:"
			if c.certificate != "" {
				root += "\n    certificate: ${CERTIFICATE}"
			}
			if c.key != "" {
				root += "\n    key: ${KEY}"
			}
			got, err := configfile.Parse([]byte(minimal(root, "", "")), func(name string) (string, bool) {
				return map[string]string{"CERTIFICATE": c.certificate, "KEY": c.key}[name], true
			})
			if c.want == "" {
				if err != nil || got.Serve.OpenDSR.Certificate.Reveal() != c.certificate || got.Serve.OpenDSR.Key.Reveal() != c.key {
					t.Errorf("got problems: %v", err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "planted") {
				t.Errorf("got\n%v\nwant one: %s …", err, c.want)
			}
		})
	}
}
