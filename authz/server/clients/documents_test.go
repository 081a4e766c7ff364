package clients_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
)

func TestDocumentClient(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		at := path(b.t, "doc")
		id := web.publish(at, 200, "", "Content-Type", "application/cimd+json; charset=utf-8", "ETag", `"v1"`, "Cache-Control", "max-age=600")
		web.publish(at, 200, document(id, map[string]any{
			"client_name": "An \u202eapp", "client_uri": "https://app.example/about", "application_type": "web", "software_id": "s1",
			"grant_types": []string{"authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_credentials", "whatever"}, "response_types": []string{"token"},
			"redirect_uris": []string{"https://app.example/cb", "javascript:alert(1)", "http://localhost/cb"}, "scope": "admin", "status": "active", "tenant_id": "x", "jwks": nil, "dpop_bound_access_tokens": true,
		}), "Content-Type", "application/cimd+json; charset=utf-8", "ETag", `"v1"`, "Cache-Control", "max-age=600")
		c, err := b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err)
		require.Equal(b.t, clients.KindCIMD, c.Kind)
		require.Equal(b.t, "An app", c.Name)
		require.Equal(b.t, strings.TrimPrefix(web.url, "http://"), c.Host)
		require.Equal(b.t, []string{"https://app.example/cb", "http://localhost/cb"}, c.RedirectURIs, "the acceptable ones")
		require.Equal(b.t, []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, c.GrantTypes)
		require.Equal(b.t, "none", c.AuthMethod)
		require.True(b.t, c.DPoPRequired)
		require.Nil(b.t, c.Known)
		require.Equal(b.t, b.Clock.Now(), c.FetchedAt.UTC())
		require.Contains(b.t, b.audited(), "client.document "+id)

		for range 3 {
			again, err := b.clients.Find(b.t.Context(), b.h, id)
			require.NoError(b.t, err)
			require.Equal(b.t, c.RedirectURIs, again.RedirectURIs)
		}
		require.Len(b.t, web.asked(at), 1, "cached")
		require.Equal(b.t, "", web.asked(at)[0].Get("If-None-Match"))
		_, err = b.clients.Find(b.t.Context(), b.b, id)
		require.NoError(b.t, err)
		require.Len(b.t, web.asked(at), 2, "a workspace shares nothing with another")

		b.Clock.Advance(10 * time.Minute)
		family := b.family(id)
		web.publish(at, 304, "", "Cache-Control", "max-age=86400000")
		_, err = b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err)
		require.Equal(b.t, `"v1"`, web.asked(at)[2].Get("If-None-Match"))
		b.Clock.Advance(24*time.Hour - time.Second)
		_, err = b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err)
		require.Len(b.t, web.asked(at), 3)
		b.Clock.Advance(time.Second)
		_, err = b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err)
		require.Len(b.t, web.asked(at), 4, "a day at most")
		require.Empty(b.t, family(), "the same document ends nothing")
	})
}

// TestC11BadDocuments are never stored, and tell the person nothing of what was there.
func TestC11BadDocuments(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		at := path(b.t, "bad")
		id := web.url + at
		good := document(id, nil)
		key := map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}}
		for name, page := range map[string][]string{
			"not found": {"404", good}, "created": {"201", good}, "partial": {"206", good}, "nothing": {"204", ""}, "server error": {"500", good}, "not modified without a question": {"304", ""},
			"html": {"200", good, "Content-Type", "text/html"}, "no type": {"200", good, "Content-Type", ""}, "not json": {"200", "<html>"}, "an array": {"200", "[" + good + "]"}, "two": {"200", good + good},
			"duplicate member": {"200", `{"client_id":"` + id + `",` + good[1:]}, "compressed": {"200", good, "Content-Encoding", "gzip"},
			"too large":      {"200", good + strings.Repeat(" ", 64<<10)},
			"another id":     {"200", document(id+"/", nil)},
			"upper case id":  {"200", document(strings.ToUpper(id), nil)},
			"no id":          {"200", document(id, map[string]any{"client_id": nil})},
			"no name":        {"200", document(id, map[string]any{"client_name": nil})},
			"invisible name": {"200", document(id, map[string]any{"client_name": "\u202e\u200b"})},
			"no redirects":   {"200", document(id, map[string]any{"redirect_uris": nil})},
			"bad redirects":  {"200", document(id, map[string]any{"redirect_uris": []string{"javascript:alert(1)", "http://app.example/cb", "data:text/html,x"}})},
			"redirect text":  {"200", document(id, map[string]any{"redirect_uris": "https://app.example/cb"})},
			"many redirects": {"200", document(id, map[string]any{"redirect_uris": strings.Split(strings.Repeat("https://app.example/cb ", 33), " ")})},
			"a secret":       {"200", document(id, map[string]any{"client_secret": "s"})},
			"secret expiry":  {"200", document(id, map[string]any{"client_secret_expires_at": 0})},
			"basic":          {"200", document(id, map[string]any{"token_endpoint_auth_method": "client_secret_basic"})},
			"post":           {"200", document(id, map[string]any{"token_endpoint_auth_method": "client_secret_post"})},
			"secret jwt":     {"200", document(id, map[string]any{"token_endpoint_auth_method": "client_secret_jwt"})},
			"secrets listed": {"200", document(id, map[string]any{"token_endpoint_auth_method": nil, "token_endpoint_auth_methods_supported": []string{"client_secret_basic"}})},
			"no keys":        {"200", document(id, map[string]any{"token_endpoint_auth_method": "private_key_jwt"})},
			"both keys":      {"200", document(id, map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": key, "jwks_uri": "https://app.example/jwks"})},
			"shared key":     {"200", document(id, map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": map[string]any{"keys": []any{map[string]any{"kty": "oct", "k": "c2VjcmV0"}}}})},
			"keys by file":   {"200", document(id, map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "file:///etc/passwd"})},
		} {
			status := map[string]int{"200": 200, "201": 201, "204": 204, "206": 206, "304": 304, "404": 404, "500": 500}[page[0]]
			web.publish(at, status, page[1], page[2:]...)
			_, err := b.clients.Find(b.t.Context(), b.h, id)
			refusal := refused(b.t, err)
			require.Equal(b.t, clients.Unreachable, refusal.Reason, name)
			require.Equal(b.t, "The client's metadata document cannot be read, or is not valid.", refusal.Words, name)
			require.NotEmpty(b.t, refusal.Detail, name)
			_, stored := b.load(id)
			require.False(b.t, stored, name)
			asked := len(web.asked(at))
			_, err = b.clients.Find(b.t.Context(), b.h, id)
			require.Equal(b.t, refusal.Words, refused(b.t, err).Words)
			require.Len(b.t, web.asked(at), asked, "a failure is not tried again at once")
			b.Clock.Advance(time.Minute)
		}
		web.publish(at, 200, good)
		_, err := b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err, "no failure is kept longer than a minute")
	})
}

// TestC7NoRedirects: a document is where its id says.
func TestC7NoRedirects(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		target := path(b.t, "target")
		web.publish(target, 200, document(web.url+target, nil))
		at := path(b.t, "moved")
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, location := range []string{web.url + target, "file:///etc/passwd", "gopher://127.0.0.1/", "//127.0.0.1" + target} {
				web.publish(at, status, "", "Location", location)
				_, err := b.clients.Find(b.t.Context(), b.h, web.url+at)
				require.Equal(b.t, clients.Unreachable, refused(b.t, err).Reason)
				b.Clock.Advance(time.Minute)
			}
		}
		require.Empty(b.t, web.asked(target))
	})
}

// TestC8DocumentIDs: an id has one spelling, and is nothing that must not be called.
func TestC8DocumentIDs(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		at := path(b.t, "spelt")
		host := strings.TrimPrefix(web.url, "http://")
		port := host[strings.LastIndex(host, ":"):]
		id := web.publish(at, 200, document(web.url+at, nil))
		for _, wrong := range []string{
			"https://app.example", "http://" + host, id + "#f", id + "#", id + "?", "http://user@" + host + at, "http://user:pw@" + host + at, "HTTP://" + host + at, "http://" + host + "/x/../" + at[1:], "http://" + host + "/./" + at[1:],
			"http://" + host + "/%2e%2e" + at, "http://" + host + "\\" + at, "http://127.1" + port + at, "http://2130706433" + port + at, "http://0x7f000001" + port + at, "http://[::ffff:7f00:1]" + port + at, "http://127.0.0.1." + port + at,
			"http://localhost." + port + at, "http://" + host + at + "\t", " " + id, "http://app.example/client", "http://10.0.0.1/client", "http://169.254.169.254/latest", "https://169.254.169.254/latest", "http://[fe80::1%25lo]/x", "http://①②⑦.0.0.1" + port + at,
			"http://127.0.0.1" + port + "@evil.example" + at, "http://" + strings.Repeat("a", 3000), "https:///x", "http://" + host + at + "%00", "http://127.0.0.1:0" + at, "http://127.0.0.1:099999" + at,
		} {
			_, err := b.clients.Find(b.t.Context(), b.h, wrong)
			refused(b.t, err)
			_, stored := b.load(wrong)
			require.False(b.t, stored, wrong)
		}
		require.Empty(b.t, web.asked(at))
		_, err := b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err)
	})
}

// TestC4Addresses: where private addresses are closed, nothing that a client names
// reaches one.
func TestC4Addresses(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		at := path(b.t, "inside")
		host := strings.TrimPrefix(web.url, "http://")
		web.publish(at, 200, document(web.url+at, nil))
		strict := b.node(b.DB, outbound.Config{})
		for _, id := range []string{web.url + at, "https://" + host + at, "https://localhost" + host[strings.LastIndex(host, ":"):] + at, "https://10.0.0.1/c", "https://[::1]/c", "https://169.254.169.254/c", "https://100.100.100.200/c", "https://[64:ff9b::7f00:1]/c", "https://intranet/c"} {
			_, err := strict.Find(b.t.Context(), b.h, id)
			require.Equal(b.t, clients.Unreachable, refused(b.t, err).Reason, id)
			require.NotContains(b.t, refused(b.t, err).Words, "127.0.0.1")
			_, err = strict.Register(b.t.Context(), b.h, issuer, metadata(b.t, `{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"`+id+`"}`))
			require.Equal(b.t, "invalid_client_metadata", code(b.t, err), id)
		}
		require.Empty(b.t, web.asked(at))
	})
}

// TestC9SameAnswer: what is behind an address shows neither in words nor in time.
func TestC9SameAnswer(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		const least = 300 * time.Millisecond
		clients.SetEvenly(b.clients, least)
		html := path(b.t, "html")
		web.publish(html, 200, "<html>", "Content-Type", "text/html")
		var words []string
		for name, id := range map[string]string{
			"closed port": "http://127.0.0.1:1/c", "no document": web.url + html, "not found": web.url + "/nothing-" + b.t.Name(), "closed address": "https://169.254.169.254/c",
		} {
			start := time.Now()
			_, err := b.clients.Find(b.t.Context(), b.h, id)
			require.GreaterOrEqual(b.t, time.Since(start), least, name)
			words = append(words, refused(b.t, err).Words)
		}
		for _, w := range words {
			require.Equal(b.t, words[0], w)
		}
	})
}

// TestC11Changed: a document that became another one ends what people agreed to.
func TestC11Changed(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		for name, c := range map[string]struct {
			to   map[string]any
			ends bool
		}{
			"another redirect":  {map[string]any{"redirect_uris": []string{"https://evil.example/cb"}}, true},
			"one redirect more": {map[string]any{"redirect_uris": []string{"https://app.example/cb", "https://evil.example/cb"}}, true},
			"keys":              {map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example/jwks"}, true},
			"another home":      {map[string]any{"client_uri": "https://evil.example"}, true},
			"another page":      {map[string]any{"client_uri": "https://app.example/other"}, false},
			"another name":      {map[string]any{"client_name": "A better app"}, false},
		} {
			at := path(b.t, "changed")
			id := web.url + at
			web.publish(at, 200, document(id, map[string]any{"client_uri": "https://app.example"}))
			_, err := b.clients.Find(b.t.Context(), b.h, id)
			require.NoError(b.t, err)
			family := b.family(id)
			to := map[string]any{"client_uri": "https://app.example"}
			for k, v := range c.to {
				to[k] = v
			}
			web.publish(at, 200, document(id, to))
			b.Clock.Advance(time.Hour)
			_, err = b.clients.Find(b.t.Context(), b.h, id)
			require.NoError(b.t, err)
			if c.ends {
				require.Equal(b.t, "the client's metadata changed", family(), name)
				require.Contains(b.t, b.audited(), "client.changed "+id, name)
			} else {
				require.Empty(b.t, family(), name)
			}
		}
		at := path(b.t, "reviewed")
		id := web.publish(at, 200, document(web.url+at, nil))
		_, err := b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err)
		b.set(func(s *settings.Settings) { s.Review = true })
		web.publish(at, 200, document(id, map[string]any{"redirect_uris": []string{"https://evil.example/cb"}}))
		b.Clock.Advance(time.Hour)
		_, err = b.clients.Find(b.t.Context(), b.h, id)
		require.Equal(b.t, clients.Waiting, refused(b.t, err).Reason, "who reviews clients reviews it again")
	})
}

// TestC11LastGood: a known vendor's client goes on while its document cannot be had, from
// the last good one or from the catalogue's copy. Anybody else's does not.
func TestC11LastGood(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		away := path(b.t, "known")
		id := web.publish(away, 403, "")
		c, err := b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err)
		require.Equal(b.t, &clients.Known{Name: "Wonder App", Vendor: "Vendor", Source: "this test", Seen: "2026-11-01"}, c.Known)
		require.Equal(b.t, []string{"https://vendor.example/cb" + strings.TrimPrefix(away, "/known")}, c.RedirectURIs, "the copy, filled in")
		require.Contains(b.t, c.FetchError, "403")
		require.Contains(b.t, c.FetchError, "the copy of 2026-11-01")
		require.Nil(b.t, c.FetchedAt)

		family := b.family(id)
		web.publish(away, 200, document(id, map[string]any{"client_name": "Wonder App", "redirect_uris": []string{"https://vendor.example/cb/new"}}), "ETag", `"v2"`)
		b.Clock.Advance(time.Minute)
		c, err = b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err)
		require.Equal(b.t, []string{"https://vendor.example/cb/new"}, c.RedirectURIs)
		require.Empty(b.t, c.FetchError)
		require.Equal(b.t, "its document differs from the copy of 2026-11-01", c.Drift)
		require.Empty(b.t, family(), "a vendor's own addresses are no other client")

		for _, body := range []string{"<html>", document(id+"x", nil), "{}"} {
			web.publish(away, 200, body)
			b.Clock.Advance(time.Hour)
			c, err = b.clients.Find(b.t.Context(), b.h, id)
			require.NoError(b.t, err)
			require.Equal(b.t, []string{"https://vendor.example/cb/new"}, c.RedirectURIs, "the last good one")
			require.NotEmpty(b.t, c.FetchError)
		}
		require.Empty(b.t, family())

		plain := path(b.t, "plain")
		_, err = b.clients.Find(b.t.Context(), b.h, web.publish(plain, 500, ""))
		require.Equal(b.t, clients.Unreachable, refused(b.t, err).Reason, "known, and there is no copy")

		at := path(b.t, "doc")
		other := web.publish(at, 200, document(web.url+at, nil))
		_, err = b.clients.Find(b.t.Context(), b.h, other)
		require.NoError(b.t, err)
		web.publish(at, 500, "")
		b.Clock.Advance(time.Hour)
		_, err = b.clients.Find(b.t.Context(), b.h, other)
		require.Equal(b.t, clients.Unreachable, refused(b.t, err).Reason)
		stored, ok := b.load(other)
		require.True(b.t, ok)
		require.Equal(b.t, "it answers with status 500", stored.FetchError, "the console can say why")
	})
}

func TestOneFetchForMany(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		at := path(b.t, "slow")
		id := web.url + at
		body := document(id, nil)
		release, begun := make(chan struct{}), make(chan struct{}, 20)
		web.publish(at, 200, "")
		web.mu.Lock()
		web.at[at].handle = func(w http.ResponseWriter, _ *http.Request) {
			begun <- struct{}{}
			<-release
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(body))
		}
		web.mu.Unlock()
		errs := make(chan error, 20)
		ask := func() {
			_, err := b.clients.Find(b.t.Context(), b.h, id)
			errs <- err
		}
		go ask()
		<-begun
		for range 19 {
			go ask()
		}
		close(release)
		for range 20 {
			require.NoError(b.t, <-errs)
		}
		require.Len(b.t, web.asked(at), 1)
	})
}

func TestFreshness(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		for header, want := range map[string]time.Duration{
			"": time.Hour, "max-age=0": time.Minute, "no-store": time.Minute, "no-cache, max-age=600": time.Minute, "max-age=5": time.Minute, "max-age=600": 10 * time.Minute, "public, MAX-AGE=\"600\"": 10 * time.Minute,
			"max-age=99999999": 24 * time.Hour, "max-age=-1": time.Minute, "max-age=x": time.Minute, "max-age=600; age 300": 5 * time.Minute,
		} {
			at := path(b.t, "fresh")
			headers := []string{"Cache-Control", strings.TrimSuffix(header, "; age 300")}
			if strings.HasSuffix(header, "age 300") {
				headers = append(headers, "Age", "300")
			}
			id := web.publish(at, 200, document(web.url+at, nil), headers...)
			_, err := b.clients.Find(b.t.Context(), b.h, id)
			require.NoError(b.t, err)
			b.Clock.Advance(want - time.Second)
			_, err = b.clients.Find(b.t.Context(), b.h, id)
			require.NoError(b.t, err)
			require.Len(b.t, web.asked(at), 1, header)
			b.Clock.Advance(time.Second)
			_, err = b.clients.Find(b.t.Context(), b.h, id)
			require.NoError(b.t, err)
			require.Len(b.t, web.asked(at), 2, header)
		}
		at := path(b.t, "expires")
		id := web.publish(at, 200, document(web.url+at, nil), "Expires", b.Clock.Now().Add(30*time.Minute).Format(http.TimeFormat))
		_, err := b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err)
		b.Clock.Advance(29 * time.Minute)
		_, err = b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err)
		require.Len(b.t, web.asked(at), 1)
	})
}

// TestDocumentModes is the workspace's word about clients that nobody registered.
func TestDocumentModes(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		publish := func(under string) string {
			at := path(b.t, under)
			return web.publish(at, 200, document(web.url+at, map[string]any{"redirect_uris": []string{"https://vendor.example/cb/1"}}))
		}
		for mode, lets := range map[settings.Mode][2]bool{settings.Any: {true, true}, settings.Report: {true, true}, settings.Known: {true, false}, settings.Off: {false, false}} {
			b.set(func(s *settings.Settings) { s.CIMD = mode })
			for i, under := range []string{"known", "doc"} {
				id := publish(under)
				c, err := b.clients.Find(b.t.Context(), b.h, id)
				if lets[i] {
					require.NoError(b.t, err, mode)
					require.Equal(b.t, under == "known", c.Known != nil)
					action := "client.document "
					if mode == settings.Report && under == "doc" {
						action = "client.document_reported "
					}
					require.Contains(b.t, b.audited(), action+id)
				} else {
					require.Equal(b.t, clients.NotAdmitted, refused(b.t, err).Reason, mode)
					require.Empty(b.t, web.asked(strings.TrimPrefix(id, web.url)), "and is not even asked for")
				}
			}
		}
		b.set(func(s *settings.Settings) { s.CIMD, s.Review = settings.Any, true })
		id := publish("known")
		_, err := b.clients.Find(b.t.Context(), b.h, id)
		refusal := refused(b.t, err)
		require.Equal(b.t, clients.Waiting, refusal.Reason)
		require.Equal(b.t, "An app", refusal.Client.Name)
		b.write(func(tx *tenancy.Tx) error { return b.clients.SetStatus(tx, id, clients.Active) })
		_, err = b.clients.Find(b.t.Context(), b.h, id)
		require.NoError(b.t, err)
		b.write(func(tx *tenancy.Tx) error { return b.clients.SetStatus(tx, id, clients.Blocked) })
		b.Clock.Advance(48 * time.Hour)
		asked := len(web.asked(strings.TrimPrefix(id, web.url)))
		_, err = b.clients.Find(b.t.Context(), b.h, id)
		require.Equal(b.t, clients.Barred, refused(b.t, err).Reason)
		require.Len(b.t, web.asked(strings.TrimPrefix(id, web.url)), asked, "nobody asks for a blocked one")
	})
}
