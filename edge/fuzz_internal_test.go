package edge

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/seal"
)

// FuzzRoutePath: a path that is accepted is the same path to every reader.
func FuzzRoutePath(f *testing.F) {
	for _, seed := range []string{"/crm/mcp", "/crm/mcp?x=/../", "//", "/a/./b", "/a/..", "/%2e%2e/", "/%zz", "/%8X", "/caf%C3%A9", "/a;b", `/a\b`, "/a//", "*", "http://x/y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got, ok := routePath(&http.Request{RequestURI: target})
		if !ok {
			return
		}
		require.True(t, strings.HasPrefix(target, got))
		require.Equal(t, strings.TrimSuffix(got, "/"), strings.TrimSuffix(path.Clean(got), "/"), "nothing to clean")
		plain, err := url.PathUnescape(got)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSuffix(plain, "/"), strings.TrimSuffix(path.Clean(plain), "/"), "nor after unescaping")
		require.Equal(t, strings.Count(got, "/"), strings.Count(plain, "/"))
		require.NotContains(t, plain, "\x00")
		if slug, is := mcpSlug(got); is && slug != "" {
			require.Equal(t, "/"+slug+"/mcp", got)
		}
	})
}

// FuzzTokenHeader: nothing makes it panic, and what it accepts has three parts.
func FuzzTokenHeader(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsifQ.e30.c2ln")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if kid, alg, ok := tokenHeader(token); ok {
			require.NotEmpty(t, kid)
			require.NotEmpty(t, alg)
			require.Equal(t, 2, strings.Count(token, "."))
		}
	})
}

// FuzzOrigin: a tenant is found by its own origin in one of its harmless spellings
// (case, the default port), and by nothing else.
func FuzzOrigin(f *testing.F) {
	store := snapshot.NewStore()
	issuers := []string{"https://acme.test", "http://acme.test", "http://localhost:8081", "https://globex.test:8443", "http://[::1]:8082"}
	var tenants []*snapshot.Tenant
	for _, issuer := range issuers {
		tenants = append(tenants, &snapshot.Tenant{ID: issuer, Issuer: issuer, Origins: []string{issuer}})
	}
	store.Replace(time.Now(), tenants)
	for _, host := range []string{
		"acme.test", "ACME.test:443", "acme.test:80", "acme.test.", "localhost:8081", "localhost", "[::1]:8082", "globex.test", "globex.test:8443",
		"acme.test@evil.test", "acme.test:443:443", "\u0130acme.test", "acme.test\x00", "acme.test/", "acme.test#", "acme.test?x", " acme.test",
	} {
		for _, secure := range []bool{true, false} {
			f.Add(host, secure, "")
		}
	}
	f.Add("acme.test", true, "acme.test")
	f.Fuzz(func(t *testing.T, host string, secure bool, target string) {
		scheme, defaultPort := "http", ":80"
		if secure {
			scheme, defaultPort = "https", ":443"
		}
		tenant := store.Load().ByOrigin(originOf(scheme, &http.Request{Host: host, URL: &url.URL{Host: target, Path: "/"}}))
		var want string
		for _, issuer := range issuers {
			name, ours := strings.CutPrefix(issuer, scheme+"://")
			if ours && target == "" && (asciiFold(host) == name || asciiFold(host) == name+defaultPort) {
				want = issuer
			}
		}
		if want == "" {
			require.Nil(t, tenant)
			return
		}
		require.NotNil(t, tenant)
		require.Equal(t, want, tenant.Issuer)
	})
}

// asciiFold is the oracle's own way to lower case.
func asciiFold(s string) string {
	return string(bytes.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r | 0x20
		}
		return r
	}, []byte(s)))
}

// A key and what it signed, once and for all: the workers of a fuzzing run are
// processes of their own and have to agree on them.
const (
	fuzzedHeader = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsiLCJ0eXAiOiJhdCtqd3QifQ"
	fuzzedKey    = "BJGS3Sw7y6gZiGgw2DUDwagrWATXNl9bQWqxmDSeT1OZn6LAFSyWfaxqOjQ99MmYEp3rHOfElJZ26q_S527bQOY"
)

var fuzzedTokens = map[string]string{ //nolint:gosec // of a key that nobody has
	fuzzedHeader + "." +
		"eyJhdWQiOiJodHRwczovL2FjbWUudGVzdC9jcm0vbWNwIiwiY2xpZW50X2lkIjoiY2xpXzEiLCJleHAiOjE3OTUzNTI0MDAsImZpZCI6ImZhbV8xIiwiaWF0IjoxNzk1MzQ4ODAwLCJpc3MiOiJodHRwczovL2FjbWUudGVzdCIsImp0aSI6Imp0aV8xIiwic2NvcGUiOiJtY3AiLCJzdWIiOiJhY2NfYWRhIn0" + "." +
		"2OdIMt8mHwoe2t1m5DEUJRV-ef0524wTegIp3q__0DYj0Joz8c5xDw_hRDA_Yc_xKzcZ6GeNwNdNukaxxlGcOQ": "acc_ada",
	fuzzedHeader + "." +
		"eyJhdWQiOiJodHRwczovL2FjbWUudGVzdC9jcm0vbWNwIiwiY2xpZW50X2lkIjoiY2xpXzEiLCJleHAiOjE3OTUzNTI0MDAsImZpZCI6ImZhbV8xIiwiaWF0IjoxNzk1MzQ4ODAwLCJpc3MiOiJodHRwczovL2FjbWUudGVzdCIsImp0aSI6Imp0aV8xIiwic2NvcGUiOiJtY3AiLCJzdWIiOiJhY2NfZXZlIn0" + "." +
		"KKzxUxYw1QuP7TQDo_PvyQgHt0v71nf2pKAnt-HtKpyhPPQd9tRhWxXFiYOt_CkOaKUGtg-dCQk3TF3WkkC58w": "acc_eve",
}

// FuzzAccessToken: with a real key and tokens that it signed, nothing is accepted but
// those tokens, to the letter.
func FuzzAccessToken(f *testing.F) {
	public, err := base64.RawURLEncoding.DecodeString(fuzzedKey)
	require.NoError(f, err)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), public)
	require.NoError(f, err)
	tenant := &snapshot.Tenant{ID: "tnt_a", Issuer: "https://acme.test", Keys: map[string]crypto.PublicKey{"k": key}}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for token, subject := range fuzzedTokens {
		a, ok := parseAccessToken(token, tenant, now)
		require.True(f, ok)
		require.Equal(f, subject, a.subject)
		f.Add(token)
		header, rest, _ := strings.Cut(token, ".")
		payload, signature, _ := strings.Cut(rest, ".")
		f.Add(header + "." + payload + ".")
		f.Add("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiayJ9." + payload + "." + signature)
		f.Add(header + "\n." + payload + "." + signature)
		f.Add(token[:len(token)-1] + string(token[len(token)-1]+1)) // other last bits, which a lax decoder drops
		f.Add(token + "=")
	}
	f.Fuzz(func(t *testing.T, token string) {
		a, ok := parseAccessToken(token, tenant, now)
		subject, ours := fuzzedTokens[token]
		require.Equal(t, ours, ok)
		if ok {
			require.Equal(t, subject, a.subject)
		}
	})
}

var fuzzedSessions = map[string]string{
	"sAQAAAAHrY19d-OEC08hhoUlw65EEkZopT1mUp-qv-dqAKquOY0rFiiYkwqYyGA":                                               "x",
	"sAQAAAAE2w0RQyz11z5ZrIs-xDee_NSYRU0fdoedhOHA15xGs6gouDeCgFim2mB5qHU1wXZkh3JQ7qIb49CNOLa8VsxpgaTMmiYiXr93Vj4Zb": "5f1e7a52-9d7b-4b52-8a3c-1d2f3e4a5b6c",
}

// FuzzSession: whatever a client sends as its session's id, it opens only where it is
// the id that was made for it, to the letter.
func FuzzSession(f *testing.F) {
	key, err := seal.NewKey(1, bytes.Repeat([]byte("k"), 32))
	require.NoError(f, err)
	envelope, err := seal.NewEnvelope("mcp-session", key)
	require.NoError(f, err)
	ada := &access{tenant: "tnt_a", subject: "acc_ada", client: "cli_1"}
	eve := &access{tenant: "tnt_a", subject: "acc_eve", client: "cli_1"}
	for id, plain := range fuzzedSessions {
		require.NotNil(f, openSession(envelope, ada, "ups_1", id), "what was once handed out stays good")
		f.Add(id)
		f.Add(id[1:])
		f.Add(id + "=")
		f.Add(id[:len(id)-1] + string(id[len(id)-1]+1))
		f.Add(id[:len(id)/2] + "\r\n" + id[len(id)/2:])
		f.Add(plain)
	}
	require.Len(f, newSession(envelope, ada, "ups_1", strings.Repeat("y", maxSession), true).sealed[0], maxSealedSession)
	f.Fuzz(func(t *testing.T, id string) {
		s := openSession(envelope, ada, "ups_1", id)
		plain, ours := fuzzedSessions[id]
		require.Equal(t, ours, s != nil)
		if s != nil {
			require.Equal(t, []string{plain}, s.plain)
			require.Equal(t, []string{id}, s.sealed)
		}
		require.Nil(t, openSession(envelope, eve, "ups_1", id))
		require.Nil(t, openSession(envelope, ada, "ups_2", id))
		require.Nil(t, openSession(nil, ada, "ups_1", id))
	})
}
