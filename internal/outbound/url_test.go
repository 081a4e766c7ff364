package outbound

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckURLNormalises(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://example.com":                     "https://example.com/",
		"HTTPS://EXAMPLE.com:443/Mcp":             "https://example.com/Mcp",
		"https://example.com:8443/mcp?a=b&a=%2F":  "https://example.com:8443/mcp?a=b&a=%2F",
		"https://xn--bcher-kva.example/%C3%A4":    "https://xn--bcher-kva.example/%C3%A4",
		"https://8.8.8.8/mcp":                     "https://8.8.8.8/mcp",
		"https://[2606:4700:0:0:0:0:0:1111]/mcp":  "https://[2606:4700::1111]/mcp",
		"https://[2606:4700::1111]:444/mcp":       "https://[2606:4700::1111]:444/mcp",
		"https://a_b.example.com/mcp/":            "https://a_b.example.com/mcp/",
		"https://1.example/a//b":                  "https://1.example/a//b",
		"https://0x1.example/..a/.well-known/b..": "https://0x1.example/..a/.well-known/b..",
	} {
		u, err := CheckURL(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, u.String())
		again, err := CheckURL(u.String())
		require.NoError(t, err)
		require.Equal(t, u, again)
	}
}

func TestCheckURLOfALaptop(t *testing.T) {
	t.Parallel()
	c := New(Config{AllowPrivate: true})
	for raw, want := range map[string]string{
		"http://localhost:9000/mcp": "http://localhost:9000/mcp",
		"http://127.0.0.1:80/mcp":   "http://127.0.0.1/mcp",
		"http://[::1]:9000":         "http://[::1]:9000/",
		"https://192.168.1.4/mcp":   "https://192.168.1.4/mcp",
		"http://fastmcp:8000/mcp":   "http://fastmcp:8000/mcp",
		"http://[fd12:3456::1]/mcp": "http://[fd12:3456::1]/mcp",
	} {
		u, err := c.CheckURL(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, u.String())
	}
	for _, raw := range []string{
		"http://169.254.169.254/latest", "http://[fd00:ec2::254]/latest", "http://[fe80::1]/", "http://100.100.100.200/", "http://0.0.0.0/",
		"http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::127.0.0.1]/", "http://127.1/", "http://2130706433/", "http://localhost./",
		"http://user@localhost/", "ftp://localhost/", "http://[64:ff9b::7f00:1]/", "http://224.0.0.1/", "http://[2002:7f00:1::]/",
	} {
		_, err := c.CheckURL(raw)
		require.Error(t, err, raw)
	}
}

// spellings writes an IPv4 address in the ways that some program somewhere understands.
func spellings(a, b, c, d string) []string {
	return []string{
		a + "." + b + "." + c + "." + d, a + "." + b + "." + c + "." + d + ".", "0" + a + "." + b + "." + c + "." + d,
		"0x7f." + b + "." + c + "." + d, "[::ffff:" + a + "." + b + "." + c + "." + d + "]", "[::" + a + "." + b + "." + c + "." + d + "]",
		"[64:ff9b::" + a + "." + b + "." + c + "." + d + "]", "[0:0:0:0:0:ffff:" + a + "." + b + "." + c + "." + d + "]", a + "." + b + "." + c + "." + d + "%00",
		"[::ffff:" + a + "." + b + "." + c + "." + d + "%25lo]", "ok@" + a + "." + b + "." + c + "." + d, a + "。" + b + "。" + c + "。" + d,
	}
}

func TestCheckURLRefusesEveryClosedRangeInEverySpelling(t *testing.T) {
	t.Parallel()
	hosts := []string{
		"0x7f000001", "0X7F000001", "017700000001", "2130706433", "127.1", "127.0.1", "0x7f.1", "localhost", "LOCALHOST", "localhost.", "a.localhost",
		"metadata", "[fe80::1%25lo]", "[fe80::1%lo]", "①②⑦.⓪.⓪.①", "１２７.0.0.1", "ok@127.0.0.1", "ok:ok@127.0.0.1", "127.0.0.1\\@example.com",
		"[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]",
		"[2001::1]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[2001:db8::1]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[fe80::1]", "[ff02::1]",
		"[100::1]", "[5f00::1]", "[3fff::1]", "255.255.255.255", "100.100.100.200", "192.0.0.192", "169.254.169.254",
	}
	for _, quad := range []string{
		"127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "0.1.2.3",
		"192.0.0.1", "198.18.0.1", "198.19.255.255", "224.0.0.1", "239.1.1.1", "240.0.0.1", "192.88.99.1", "192.0.2.1", "203.0.113.1",
	} {
		p := strings.Split(quad, ".")
		hosts = append(hosts, spellings(p[0], p[1], p[2], p[3])...)
	}
	four, six := newTrap(t, "127.0.0.1:0"), newTrap(t, "[::1]:0")
	strict := New(Config{})
	for _, host := range hosts {
		for _, port := range []string{four.port, six.port} {
			raw := "https://" + host + ":" + port + "/mcp"
			_, err := CheckURL(raw)
			require.Contains(t, []Kind{KindURL, KindAddress}, KindOf(err), raw)
			requireShown(t, err)
			u, err := url.Parse(raw)
			if err != nil {
				continue
			}
			// The proxy's transport meets URLs that no CheckURL has seen.
			resp, err := strict.Transport(TransportOptions{}).RoundTrip(request(t, u))
			if resp != nil {
				_ = resp.Body.Close()
			}
			require.Error(t, err, raw)
			require.Contains(t, []Kind{KindURL, KindAddress}, Classify(err).Kind, "%s: %v", raw, err)
		}
	}
	four.requireUntouched(t)
	six.requireUntouched(t)
}

func TestCheckURLRefusesSpellings(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "https://", "https:///mcp", "https:example.com", "//example.com/", "example.com/mcp", "/mcp", "mailto:a@example.com", "http://example.com/", "ftp://example.com/",
		"file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "https://u@example.com/", "https://u:p@example.com/", "https://@example.com/", "https://:@example.com/",
		"https://example.com/#", "https://example.com/#a", "https://127.0.0.1#@example.com/", "https://example.com./", "https://.example.com/", "https://a..example.com/",
		"https://example.com:/", "https://example.com:0/", "https://example.com:0443/", "https://example.com:65536/", "https://example.com:+443/", "https://example.com:a/",
		"https://example.com:443:443/", "https://[2606:4700::1111/", "https://2606:4700::1111/", "https://[2606:4700::1111]443/", "https://[example.com]/", "https://[]/", "https://[8.8.8.8]/",
		"https://-a.example.com/", "https://a-.example.com/", "https://xn--example-.com/", "https://exa mple.com/", "https://example.com/a b", "https://example.com/\t", " https://example.com/",
		"https://example.com/\n", "https://example.com/\x00", "https://example.com/\x7f", "https://b\u00fccher.example/", "https://example.com/\u00e4", "https://ex%61mple.com/", "https://example.com%2f@8.8.8.8/",
		"https://example.com\\@8.8.8.8/", "https://example.com/a\\b", "https://example.com/../a", "https://example.com/a/.", "https://example.com/a/%2E%2e/b", "https://example.com/%zz",
		"https://exa$mple.com/", "https://exa,mple.com/", "https://" + strings.Repeat("a", 64) + ".com/", "https://" + strings.Repeat("a.", 127) + "com/", "https://example.com/" + strings.Repeat("a", MaxURL),
		"https://8.8.8.8.8/", "https://8.8.8/", "https://8/", "https://08.8.8.8/", "https://example.123/", "https://example.0x1f/", "https://256.1.1.1/",
	} {
		_, err := CheckURL(raw)
		require.Equal(t, KindURL, KindOf(err), "%.80q", raw)
		requireShown(t, err)
	}
}

// requireShown checks that an error's words are words, without an address in them.
func requireShown(t *testing.T, err error) {
	t.Helper()
	var own *Error
	require.ErrorAs(t, err, &own)
	require.NotEmpty(t, own.Public())
	for _, leak := range []string{"127.", "169.254", "10.0", "::", "dial", "lookup", "canary"} {
		require.NotContains(t, own.Public(), leak)
		require.NotContains(t, own.Error(), leak)
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/mcp", "https://[::ffff:7f00:1]:443/", "https://0x7f.1/", "https://a@b/", "https://EXAMPLE.com:443?x=%2e", "https://[fe80::1%25lo]/", "https://①.example/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := CheckURL(raw)
		if err != nil {
			require.Contains(t, []Kind{KindURL, KindAddress}, KindOf(err))
			return
		}
		require.Equal(t, "https", u.Scheme)
		require.Nil(t, u.User)
		require.Empty(t, u.Fragment)
		require.Equal(t, strings.ToLower(u.Host), u.Host)
		again, err := CheckURL(u.String())
		require.NoError(t, err, "normalised form of %q is refused", raw)
		require.Equal(t, u.String(), again.String())
		plain, err := url.Parse(raw)
		require.NoError(t, err)
		if addr := strings.Trim(plain.Hostname(), "[]"); !strings.Contains(addr, ":") {
			require.True(t, strings.EqualFold(plain.Hostname(), u.Hostname()), "%q names another host than %q", raw, u)
		}
	})
}
