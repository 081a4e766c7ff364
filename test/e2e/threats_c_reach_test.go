//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// closedHouse is a workspace of a gateway that may reach no private address.
func closedHouse(t *testing.T, name string) *house {
	t.Helper()
	h := settle(t, lastingGateway(t, "closed", "EMCY_ALLOW_PRIVATE_UPSTREAMS=false"), name)
	h.addRuntime("https://runtime.invalid/mcp")
	return h
}

// trap listens on loopback, on one port of all addresses, and counts who comes.
type trap struct {
	port  string
	found atomic.Int64
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	tr := &trap{port: fmt.Sprint(freePorts(t, 1)[0])}
	for _, host := range []string{"127.0.0.1", "127.255.255.254", "127.9.9.9", "::1"} {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(host, tr.port))
		require.NoError(t, err)
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				tr.found.Add(1)
				_ = conn.Close()
			}
		}()
	}
	return tr
}

// inputs are the places where somebody can name a URL, each telling whether it is refused
// where it is named: at the authorization endpoint, at registration, in the console.
func (h *house) inputs() map[string]func(address string) (refused bool, why string) {
	h.t.Helper()
	field := func(path, name string, rest url.Values) func(string) (bool, string) {
		page := h.open(h.owner, h.gateway.Console+"/"+h.slug+path)
		form, err := page.Form(name, "name")
		require.NoError(h.t, err)
		return func(address string) (bool, string) {
			filled := *form
			filled.Values = maps.Clone(form.Values)
			maps.Copy(filled.Values, rest)
			filled.Values[name] = []string{address}
			answer, err := h.owner.Browser.Submit(h.t.Context(), &filled)
			if err != nil {
				return false, err.Error()
			}
			return answer.Status == http.StatusUnprocessableEntity, fmt.Sprint(answer.Status)
		}
	}
	var from atomic.Int64
	register := func(member string) func(string) (bool, string) {
		return func(address string) (bool, string) {
			body, err := json.Marshal(map[string]any{"redirect_uris": []string{"https://app.example/cb"}, "token_endpoint_auth_method": "private_key_jwt", member: address})
			if err != nil {
				return false, err.Error()
			}
			n := from.Add(1) // registrations are counted by address
			got := h.call(http.MethodPost, "/register", string(body), "Content-Type", "application/json", "X-Forwarded-For", fmt.Sprintf("203.0.%d.%d", n/250, n%250))
			return got.status == http.StatusBadRequest, fmt.Sprint(got.status, " ", got.body)
		}
	}
	return map[string]func(string) (bool, string){
		"CIMD client_id": func(address string) (bool, string) {
			client := &httpflow.Client{ClientID: address, RedirectURI: "https://app.example/cb"}
			got := h.authorize(client)
			return got.status == http.StatusBadRequest && got.header.Get("Location") == "", fmt.Sprint(got.status, " ", got.body)
		},
		"registered jwks_uri":   register("jwks_uri"),
		"runtime":               field("/runtimes/new", "url", url.Values{"name": {"Inside"}, "slug": {"inside"}}),
		"entered jwks_uri":      field("/clients/new", "jwks_uri", url.Values{"name": {"Inside"}, "kind": {"service"}, "auth_method": {"private_key_jwt"}}),
		"issuer's jwks_uri":     field("/authorization/issuers/new", "jwks_uri", url.Values{"name": {"Inside"}, "issuer": {"https://id.example.com"}}),
		"sign-in provider":      field("/sign-in/new", "issuer", url.Values{"name": {"Inside"}, "client_id": {"x"}, "client_secret": {"y"}}),
		"request_uri of a flow": func(address string) (bool, string) { return h.requestURI(address) },
	}
}

// requestURI names a request object: none is ever fetched, whoever hosts it.
func (h *house) requestURI(address string) (bool, string) {
	got := h.call(http.MethodGet, "/authorize?"+url.Values{"client_id": {"https://app.example/client"}, "request_uri": {address}, "response_type": {"code"}}.Encode(), "")
	return got.status == http.StatusBadRequest && got.header.Get("Location") == "", fmt.Sprint(got.status)
}

// refuse holds every address against every input, all at once: a client's document that
// cannot be had is refused after five seconds, whatever was wrong.
func (h *house) refuse(addresses []string) {
	h.t.Helper()
	var all sync.WaitGroup
	var cases atomic.Int64
	for input, try := range h.inputs() {
		tokens := make(chan struct{}, map[bool]int{true: 100, false: 4}[input == "CIMD client_id"])
		for _, address := range addresses {
			all.Go(func() {
				tokens <- struct{}{}
				defer func() { <-tokens }()
				cases.Add(1)
				if refused, why := try(address); !refused {
					h.t.Errorf("%s takes %q: %.300s", input, address, why)
				}
			})
		}
	}
	all.Wait()
	h.t.Logf("%d cases", cases.Load())
}

// spellings writes an IPv4 address in the ways that some program somewhere understands.
func spellings(address string) []string {
	p := strings.Split(address, ".")
	var b [4]int
	_, _ = fmt.Sscanf(address, "%d.%d.%d.%d", &b[0], &b[1], &b[2], &b[3]) // it is one of the test's own
	whole := b[0]<<24 | b[1]<<16 | b[2]<<8 | b[3]
	return []string{
		address, address + ".", fmt.Sprint(whole), fmt.Sprintf("0x%08x", whole), fmt.Sprintf("0%o", whole), fmt.Sprintf("0%o.%s.%s.%s", b[0], p[1], p[2], p[3]), fmt.Sprintf("%s.%d", p[0], whole&0xffffff),
		"[::ffff:" + address + "]", fmt.Sprintf("[::ffff:%x:%x]", whole>>16, whole&0xffff), "[::" + address + "]", "[64:ff9b::" + address + "]", "ok@" + address,
	}
}

// closedRanges have an address each, of the 21 that the row lists: one that a program
// would take for the machine's own where the range can hold such a one.
var (
	closedV4 = []string{"127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "192.88.99.1"}
	closedV6 = []string{"::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001::7f00:1", "fec0::1", "fc00::1", "fe80::1"}
)

// TestC4NoURLReachesInside: whatever names a URL today, in every spelling of every closed
// address, is refused, and nobody comes to the listener.
//
// Client documents' logo_uri, client_uri, tos_uri, policy_uri and sector_identifier_uri
// are taken and fetched by nothing; webhooks, OpenAPI imports, custom domains and a
// runtime's own OAuth metadata do not exist yet.
func TestC4NoURLReachesInside(t *testing.T) {
	t.Parallel()
	h, inside := closedHouse(t, "c4"), newTrap(t)
	var addresses []string
	for _, address := range closedV4 {
		for _, spelled := range spellings(address) {
			addresses = append(addresses, "https://"+spelled+":"+inside.port+"/x")
		}
	}
	for _, address := range closedV6 {
		expanded := strings.ToUpper(address)
		addresses = append(addresses, "https://["+address+"]:"+inside.port+"/x", "https://["+expanded+"]:"+inside.port+"/x", "https://["+address+"%25lo]:"+inside.port+"/x")
	}
	h.refuse(addresses)
	for name, try := range h.inputs() { // what is not inside is taken, so the refusals mean something
		switch name {
		case "registered jwks_uri", "entered jwks_uri", "issuer's jwks_uri":
			refused, why := try("https://keys.example.com/jwks")
			require.False(t, refused, "%s: %s", name, why)
		}
	}
	metadata := map[string]any{"redirect_uris": []string{"http://127.0.0.1:33418/callback"}, "token_endpoint_auth_method": "none", "client_name": "Named"}
	for _, member := range []string{"logo_uri", "client_uri", "tos_uri", "policy_uri", "sector_identifier_uri", "initiate_login_uri"} {
		metadata[member] = "http://127.0.0.1:" + inside.port + "/" + member
	}
	made := h.register(metadata)
	require.Equal(t, http.StatusCreated, made.status, made.body)
	client := httpflow.NewClient(h.runtime.MCPURL, nil)
	client.ClientID = made.field("client_id")
	h.grant(h.stranger(), client)
	require.Zero(t, inside.found.Load())
}

// TestC5EveryClosedRange: also those that the usual predicates let through.
func TestC5EveryClosedRange(t *testing.T) {
	t.Parallel()
	h, inside := closedHouse(t, "c5"), newTrap(t)
	var addresses []string
	for _, host := range []string{
		"127.0.0.1", "127.9.9.9", "127.255.255.254", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.255.255", "169.254.0.1", "169.254.170.2", "100.64.0.0", "100.100.100.200", "100.127.255.255", "0.0.0.0", "0.1.2.3",
		"192.0.0.192", "192.0.0.8", "198.18.0.0", "198.19.255.255", "224.0.0.251", "239.255.255.250", "240.0.0.0", "255.255.255.255", "192.88.99.1",
		"[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[64:ff9b:1:ffff::7f00:1]", "[2002:7f00:1::1]", "[2002:a9fe:a9fe::]",
		"[2001::1]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[2001:1ff:ffff::1]", "[fec0::1]", "[feff::1]", "[fc00::1]", "[fdff:ffff::1]", "[fd00:ec2::254]", "[fe80::1]", "[febf::1]", "[ff02::1]",
	} {
		addresses = append(addresses, "https://"+host+":"+inside.port+"/x")
	}
	h.refuse(addresses)
	require.Zero(t, inside.found.Load())
}

// TestC8AHostHasOneSpelling: what two programs could read differently is refused where it
// is typed. That it is refused at the dial, too, is shown beside the dialer, by C6 here
// and TestCheckURLRefusesEveryClosedRangeInEverySpelling.
func TestC8AHostHasOneSpelling(t *testing.T) {
	t.Parallel()
	h, inside := closedHouse(t, "c8"), newTrap(t)
	at := func(host string) string { return "https://" + host + ":" + inside.port + "/x" }
	addresses := []string{
		at("0x7f000001"), at("0X7F000001"), at("017700000001"), at("2130706433"), at("127.1"), at("127.0.1"), at("0x7f.1"), at("127.0.0.0x1"), at("0177.0.0.1"), at("localhost"), at("LocalHost"), at("localhost."), at("a.localhost"), at("127.0.0.1."),
		at("[::ffff:7f00:1]"), at("[fe80::1%25lo]"), at("[::1%25lo]"), at("[0:0:0:0:0:0:0:1]"), at("[::1"), at("::1"), at("①②⑦.⓪.⓪.①"), at("１２７.0.0.1"), at("127。0。0。1"), at("ⓛocalhost"), at("ok@127.0.0.1"), at("ok:ok@127.0.0.1"), at("ok%40127.0.0.1"),
		"https://127.0.0.1:" + inside.port + "#@example.com/x", "https://127.0.0.1:" + inside.port + "\\@example.com/x", "https://example.com@127.0.0.1:" + inside.port + "/x", "https://127.0.0.1%00.example.com:" + inside.port + "/x", "https://127.0.0.1%2f.example.com/x",
		"https://a..example.com/x", "https://.example.com/x", "https://example.com./x", "https://exa mple.com/x", "https://example.com:0443/x", "https://example.com:/x", "https:///x", "https:127.0.0.1/x", "http://127.0.0.1:" + inside.port + "/x", "http://example.com/x",
		"https://metadata/x", "https://intranet/x", "https://example.123/x", "https://[v1.a]/x", "https://bücher.example/x", "https://example.com/x#y",
		"https://\u202eexample.com/x",
	}
	h.refuse(addresses)
	require.Zero(t, inside.found.Load())
}
