//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/clients/wire"
)

// identity is who a client is told that it is. The zero one is told nothing and
// registers dynamically.
type identity struct {
	// Document is the URL of its metadata document.
	Document string
	// ID and Secret are of a client that was entered in the console.
	ID, Secret string
}

// client is the client_id that the gateway has to know it by.
func (i identity) client() string {
	if i.Document != "" {
		return i.Document
	}
	return i.ID
}

// information is what was entered, as a client's information of RFC 7591, section
// 3.2.1, or "".
func (i identity) information() (string, error) {
	if i.ID == "" {
		return "", nil
	}
	information := map[string]string{"client_id": i.ID}
	if i.Secret != "" {
		information["client_secret"] = i.Secret
	}
	raw, err := json.Marshal(information)
	return string(raw), err
}

// give tells the programs of this desk who they are: flags are made of it, and our
// drivers read it from the environment.
func (d *desk) give(t *testing.T, is identity) {
	t.Helper()
	static, err := is.information()
	require.NoError(t, err)
	d.is = is
	d.env = append(d.env, "EMCY_TEST_CLIENT_METADATA_URL="+is.Document, "EMCY_TEST_CLIENT_INFORMATION="+static)
}

// flags leaves out the flags that have no value.
func flags(pairs ...string) []string {
	var out []string
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			out = append(out, pair...)
		}
	}
	return out
}

// testKinds is a client that does not register dynamically: known by its metadata
// document, or entered in the console without a secret and with one. That the
// gateway takes a secret either way is held by what the client sends, since half of
// the clients are entered with the other way.
func testKinds(t *testing.T, s *service, name, method string, p program) {
	t.Helper()
	t.Run("by its metadata document", func(t *testing.T) {
		t.Parallel()
		document := s.publisher.publish(t, name, p.callback)
		testIdentity(t, s, p, p.eras[0], identity{Document: document}, "none")
		require.Equal(t, 1, s.publisher.fetched(document), "the document was read, and kept")
	})
	t.Run("entered in the console", func(t *testing.T) {
		t.Parallel()
		id, err := s.owner.EnterApp(t.Context(), "acme", name, p.callback)
		require.NoError(t, err)
		testIdentity(t, s, p, p.eras[len(p.eras)-1], identity{ID: id}, "none")
	})
	t.Run("entered with a secret", func(t *testing.T) {
		t.Parallel()
		id, secret, err := s.owner.EnterSecretApp(t.Context(), "acme", name, method, p.callback)
		require.NoError(t, err)
		testIdentity(t, s, p, p.eras[0], identity{ID: id, Secret: secret}, p.proves)
	})
}

// testIdentity is testClient for a client that is told who it is: it never registers,
// and it proves itself at the token endpoint by one method only.
func testIdentity(t *testing.T, s *service, p program, e clientEra, is identity, method string) {
	t.Helper()
	var proofs proofs
	w := newWire(t, s, proofs.note)
	d := newDesk(t, elsewhere(s.owner))
	d.give(t, is)
	require.NoError(t, p.run(t.Context(), d, w.Origin+"/todos/mcp", e))
	require.Equal(t, 1, d.browsed(), "the person is asked once")
	before := p.kept(t, d)
	require.Equal(t, is.client(), before.clientID)
	asked := len(s.asked(t, is.client()))
	require.NotZero(t, asked, "the runtime knows the client")

	p.age(t, d, e)
	require.NoError(t, p.run(t.Context(), d, w.Origin+"/todos/mcp", e), "after the token's end")
	require.Equal(t, 1, d.browsed(), "nobody is asked for a refresh")
	after := p.kept(t, d)
	require.Equal(t, is.client(), after.clientID)
	require.NotEqual(t, before.access, after.access)
	require.NotEqual(t, before.refresh, after.refresh)
	require.Greater(t, len(s.asked(t, is.client())), asked, "the runtime was called again")
	require.Contains(t, w.Seen(), wire.Seen{Method: "POST", Path: "/token", Grant: "refresh_token", Status: 200})
	require.Equal(t, reach{authorize: true, token: true, mcp: true}, reached(w), "it registers nowhere")
	require.Equal(t, []string{"authorization_code by " + method, "refresh_token by " + method}, proofs.seen())
}

// proofs are the requests that the token endpoint granted, and how each was proved.
type proofs struct {
	mu  sync.Mutex
	all []string
}

func (p *proofs) note(a *wire.Answer) {
	form, err := url.ParseQuery(string(a.Asked))
	if err != nil || a.Request.URL.Path != "/token" || a.Status != http.StatusOK {
		return
	}
	method := "none"
	if _, secret, basic := a.Request.BasicAuth(); basic && secret != "" {
		method = "client_secret_basic"
	} else if form.Get("client_secret") != "" {
		method = "client_secret_post"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, form.Get("grant_type")+" by "+method)
}

func (p *proofs) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

// TestClientsFallBackToRegistration is a client with a metadata document in a
// workspace that takes none: what the metadata says is enough for it to register.
func TestClientsFallBackToRegistration(t *testing.T) {
	t.Parallel()

	p := typeScript1(t)
	s := newService(t, sqlite, typeScript)
	document := s.publisher.publish(t, "TypeScript SDK 1", p.callback)
	require.NoError(t, s.owner.Authorization(t.Context(), "acme", url.Values{"cimd": {"off"}}))
	w := newWire(t, s, nil)
	d := newDesk(t, elsewhere(s.owner))
	d.give(t, identity{Document: document})
	require.NoError(t, p.run(t.Context(), d, w.Origin+"/todos/mcp", legacy))
	require.Equal(t, toCall, reached(w))
	require.Zero(t, s.publisher.fetched(document))
	id := p.kept(t, d).clientID
	require.NotEqual(t, document, id)
	require.NotEmpty(t, s.asked(t, id), "the runtime knows the client by what it registered")
	require.Empty(t, s.asked(t, document))
}
