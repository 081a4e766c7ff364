package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
)

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	c, err := readConfig([]string{"PATH=/bin", "EMCY_WORKER_SHARED_SECRET=x", "EMCY_UPSTREAM_ACCESS_TOKEN_HEADER=y", "EMCY_API_URL=z", "EMCY_LISTEN="})
	require.NoError(t, err)
	require.Equal(t, "http://localhost:8080", c.PublicURL)
	require.Equal(t, []string{"127.0.0.1:8080", "[::1]:8080"}, c.Listen)
	require.Equal(t, 8081, c.Placement.FirstPort)
	require.Equal(t, 8180, c.Placement.LastPort)
	require.True(t, c.AllowPrivate)
	require.True(t, c.PrivateByItself)
	require.True(t, c.Console && c.Edge && c.Worker)
	require.Equal(t, "emcy-data", c.DataDir)
	pages, err := edge.ParsePages("loopback")
	require.NoError(t, err)
	require.Equal(t, pages, c.EdgePages, "the MCP Inspector's page connects at the first try")
}

func TestConfigProduction(t *testing.T) {
	t.Parallel()
	c, err := readConfig([]string{
		"EMCY_PUBLIC_URL=https://Console.Example.com:443/", "EMCY_EDGE_ORIGIN=https://{tenant}.mcp.example.net", "EMCY_EDGE_LISTEN=:8443",
		"EMCY_DATABASE_URL=postgres://x", "EMCY_ROLES=edge, worker", "EMCY_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1", "EMCY_LOG_FORMAT=json", "EMCY_LOG_LEVEL=warn",
	})
	require.NoError(t, err)
	require.Equal(t, "https://console.example.com", c.PublicURL)
	require.Equal(t, []string{":8080"}, c.Listen)
	require.Equal(t, "https://acme.mcp.example.net", c.Placement.Preview("acme"))
	require.Equal(t, "https", c.EdgeScheme)
	require.False(t, c.AllowPrivate, "private runtimes are for laptops")
	require.False(t, c.Console)
	require.Len(t, c.TrustedProxies, 2)
	require.True(t, c.LogJSON)
}

// TestConfigRefusals: every wrong setting ends the start with one line that names it.
func TestConfigRefusals(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"EMCY_PUBLIC_ULR=http://x":                             "unknown setting EMCY_PUBLIC_ULR",
		"EMCY_PUBLIC_URL=localhost:8080":                       "EMCY_PUBLIC_URL",
		"EMCY_PUBLIC_URL=https://x/console":                    "EMCY_PUBLIC_URL",
		"EMCY_EDGE_PORTS=8081":                                 "EMCY_EDGE_PORTS",
		"EMCY_EDGE_PORTS=9000-8000":                            "EMCY_EDGE_PORTS",
		"EMCY_EDGE_ORIGIN=https://mcp.example.com":             "EMCY_EDGE_ORIGIN",
		"EMCY_EDGE_ORIGIN=https://{tenant}.mcp.example.com":    "needs EMCY_EDGE_LISTEN",
		"EMCY_EDGE_ALLOWED_ORIGINS=https://x/app":              "EMCY_EDGE_ALLOWED_ORIGINS",
		"EMCY_EDGE_ALLOWED_ORIGINS=*":                          "EMCY_EDGE_ALLOWED_ORIGINS",
		"EMCY_ROLES=console":                                   "EMCY_ROLES",
		"EMCY_ROLES=everything":                                "EMCY_ROLES",
		"EMCY_ALLOW_PRIVATE_UPSTREAMS=perhaps":                 "EMCY_ALLOW_PRIVATE_UPSTREAMS",
		"EMCY_TRUSTED_PROXIES=proxy.local":                     "EMCY_TRUSTED_PROXIES",
		"EMCY_LOG_LEVEL=loud":                                  "EMCY_LOG_LEVEL",
		"EMCY_LOG_FORMAT=xml":                                  "EMCY_LOG_FORMAT",
		"EMCY_TLS_CERT=cert.pem":                               "EMCY_TLS_KEY go together",
		"EMCY_EDGE_TLS_KEY=key.pem":                            "EMCY_EDGE_TLS_KEY go together",
		"EMCY_DATABASE_URL_FILE=/nowhere":                      "EMCY_DATABASE_URL_FILE",
		"EMCY_EDGE_ORIGIN=https://{tenant}.example.com/path\n": "EMCY_EDGE_ORIGIN",
		"EMCY_SMTP_URL=smtp://localhost":                       "go together",
		"EMCY_MAIL_FROM=alerts@example.com":                    "go together",
		"EMCY_SMTP_URL_FILE=/nowhere":                          "EMCY_SMTP_URL: read",
	} {
		_, err := readConfig([]string{setting})
		require.ErrorContains(t, err, want, setting)
		require.NotContains(t, err.Error(), "\n")
	}
	_, err := readConfig([]string{"EMCY_PUBLIC_URL=https://console.example.com", "EMCY_EDGE_ORIGIN=https://{tenant}.mcp.example.com", "EMCY_EDGE_LISTEN=:1"})
	require.ErrorContains(t, err, "another registrable domain")
	_, err = readConfig([]string{"EMCY_PUBLIC_URL=http://localhost:8080", "EMCY_EDGE_ORIGIN=http://{tenant}.localhost:8081", "EMCY_EDGE_LISTEN=:1"})
	require.NoError(t, err, "on loopback one name for both is fine")
}

// TestMailSettings: a password is in no error and in no rendering of the configuration.
func TestMailSettings(t *testing.T) {
	t.Parallel()
	const from, canary = "EMCY_MAIL_FROM=Acme <alerts@example.com>", "canary_smtp_password"
	c, err := readConfig([]string{"EMCY_SMTP_URL=smtps://gateway:" + canary + "@mail.example.com", from})
	require.NoError(t, err)
	require.Equal(t, "mail.example.com:465", c.Mail.Address())
	require.Equal(t, canary, c.Mail.Password.Reveal())
	require.NotContains(t, fmt.Sprintf("%+v %+v", c, *c.Mail), canary)
	file := filepath.Join(t.TempDir(), "smtp")
	require.NoError(t, os.WriteFile(file, []byte("smtp+starttls://gateway:"+canary+"@mail.example.com\n"), 0o600))
	c, err = readConfig([]string{"EMCY_SMTP_URL_FILE=" + file, from})
	require.NoError(t, err)
	require.Equal(t, "mail.example.com:587", c.Mail.Address())
	for _, bad := range [][]string{
		{"EMCY_SMTP_URL=smtp://u:" + canary + "@mail.example.com", from},
		{"EMCY_SMTP_URL=smtps://u:" + canary + "@ mail", from},
		{"EMCY_SMTP_URL=smtps://u:" + canary + "@mail.example.com", "EMCY_MAIL_FROM=nobody"},
		{"EMCY_SMTP_URL=smtps://u:" + canary + "@mail.example.com", "EMCY_SMTP_URL_FILE=" + file, from},
	} {
		_, err := readConfig(bad)
		require.Error(t, err)
		require.NotContains(t, err.Error(), canary)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	call := func(env []string, args ...string) (int, string, string) {
		var out, errOut bytes.Buffer
		code := run(t.Context(), args, env, &out, &errOut)
		return code, out.String(), errOut.String()
	}
	code, out, _ := call(nil)
	require.Zero(t, code)
	for _, v := range variables {
		require.Contains(t, out, v.name)
	}
	code, out, _ = call(nil, "version")
	require.Zero(t, code)
	require.True(t, strings.HasPrefix(out, "emcy "))
	code, _, errOut := call(nil, "sevre")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, `unknown command "sevre"`)
	code, _, _ = call(nil, "serve", "--port", "1")
	require.Equal(t, exitUsage, code)
	code, _, errOut = call([]string{"EMCY_NOPE=1"}, "serve")
	require.Equal(t, exitConfig, code)
	require.Equal(t, 1, strings.Count(errOut, "\n"))
}
