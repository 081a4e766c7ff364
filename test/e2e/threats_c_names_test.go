//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// names is a name server whose first label says what it answers: "rebind" names are
// public when they are asked for first and inside from then on, "mixed" ones are both.
type names struct {
	mu    sync.Mutex
	asked map[string]int
}

func startNames(t *testing.T) (*names, string) {
	t.Helper()
	host := fmt.Sprintf("127.0.53.%d", 2+os.Getpid()%250)
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", host+":53")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	n := &names{asked: map[string]int{}}
	go n.run(conn)
	return n, host
}

func (n *names) run(conn net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var message dnsmessage.Message
		if message.Unpack(buffer[:size]) != nil || len(message.Questions) != 1 {
			continue
		}
		q := message.Questions[0]
		message.Response, message.RecursionAvailable, message.Additionals = true, true, nil
		if q.Type == dnsmessage.TypeA {
			for _, address := range n.answer(q.Name.String()) {
				message.Answers = append(message.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: netip.MustParseAddr(address).As4()},
				})
			}
		}
		if packed, err := message.Pack(); err == nil {
			_, _ = conn.WriteTo(packed, from) // a lost answer is asked for again
		}
	}
}

func (n *names) answer(name string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked[name]++
	const public = "93.184.216.34" // nothing is sent there: every set of addresses has one inside before a dial
	switch {
	case strings.HasPrefix(name, "rebind-") && n.asked[name] == 1:
		return []string{public}
	case strings.HasPrefix(name, "rebind-"), strings.HasPrefix(name, "inside-"):
		return []string{"127.0.0.1"}
	case strings.HasPrefix(name, "mixed-"):
		return []string{public, "127.0.0.1"}
	case strings.HasPrefix(name, "turned-"):
		return []string{"127.0.0.1", public}
	}
	return nil
}

func (n *names) times(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[name+"."]
}

// TestC6ANameIsJudgedByTheAddressDialled: a name that is public when it is looked at and
// inside when it is dialled, or both at once, is refused, and nobody comes. The gateway
// asks the test's name server: it has a mount namespace with an /etc/resolv.conf of its
// own, which takes root. TestDialRefusesRebinding is the same beside the dialer.
func TestC6ANameIsJudgedByTheAddressDialled(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		notRun(t, "a name server on port 53 takes root")
	}
	server, host := startNames(t)
	dir := t.TempDir()
	resolv := filepath.Join(dir, "resolv.conf")
	require.NoError(t, os.WriteFile(resolv, []byte("nameserver "+host+"\noptions timeout:1 attempts:1\n"), 0o644)) //nolint:gosec // every process reads it
	g := prepareGateway(t, dir, t.TempDir(), freePorts(t, 4), "EMCY_ALLOW_PRIVATE_UPSTREAMS=false", "EMCY_TRUSTED_PROXIES=127.0.0.0/8,::1/128")
	wrapped := filepath.Join(dir, "emcy")
	script := "#!/bin/sh\nexec unshare --mount --propagation private sh -c 'mount --bind " + resolv + " /etc/resolv.conf && exec " + g.binary + " serve'\n"
	require.NoError(t, os.WriteFile(wrapped, []byte(script), 0o700)) //nolint:gosec // it is a program
	g.binary = wrapped
	g.serve(t)
	h := settle(t, g, "c6")
	h.addRuntime("https://runtime.invalid/mcp")
	inside := newTrap(t)
	t.Run("kinds", func(t *testing.T) { // they wait at the same time: each refusal takes five seconds
		for _, kind := range []string{"rebind", "mixed", "turned", "inside"} {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				h := *h
				h.t = t
				name := func(what string) string { return kind + "-" + what + ".example" }
				at := func(what string) string { return "https://" + name(what) + ":" + inside.port + "/x" }
				got := h.authorize(&httpflow.Client{ClientID: at("document"), RedirectURI: "https://app.example/cb"})
				requireLocal(t, got, "invalid_client", kind)
				require.NotContains(t, got.body, "127.0.0.1")

				form, err := h.open(h.owner, g.Console+"/"+h.slug+"/sign-in/new").Form("issuer", "client_id")
				require.NoError(t, err)
				require.Equal(t, http.StatusUnprocessableEntity, h.post(h.owner, form.Set("name", "Inside").Set("issuer", at("issuer")).Set("client_id", "x")).Status)

				runtime, err := h.owner.PostRuntime(t.Context(), h.slug, httpflow.RuntimeForm{Name: kind, Slug: kind, URL: at("runtime")})
				require.NoError(t, err)
				require.NoError(t, h.owner.ReadSecret(t.Context(), runtime))
				require.NoError(t, h.owner.StoredSecret(t.Context(), runtime))

				s := newSigner(t, h.origin)
				s.register(&h, map[string]any{"jwks_uri": at("keys")})
				require.Equal(t, http.StatusUnauthorized, h.form("/par", s.proof(&h, s.assertion("1", nil))).status)
				for _, what := range []string{"document", "issuer", "runtime", "keys"} {
					require.Positive(t, server.times(name(what)), "%s was looked up", name(what))
					if kind == "rebind" {
						require.GreaterOrEqual(t, server.times(name(what)), 2, "%s was looked up again for the dial", name(what))
					}
				}
			})
		}
	})
	require.Zero(t, inside.found.Load())
}
