//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	mail "github.com/emcy/gateway/test/fakes/mail"
)

// hookReceiver is a receiver that verifies with the library of Standard Webhooks for Node.js.
type hookReceiver struct {
	URL   string
	in    io.Writer
	lines *bufio.Scanner
}

type hookVerdict struct {
	URL, Secret, Refused string
	Message              struct {
		Type string
		Data map[string]string
	}
}

func startHookReceiver(t *testing.T) *hookReceiver {
	t.Helper()
	dir := clientDir("webhook")
	requireFile(t, filepath.Join(dir, "node_modules"), "standardwebhooks")
	cmd := exec.CommandContext(t.Context(), node(t), filepath.Join(dir, "receiver.mjs"))
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close() // which ends it
		_ = cmd.Wait()
	})
	v := &hookReceiver{in: in, lines: bufio.NewScanner(out)}
	v.URL = v.next(t).URL
	return v
}

func (v *hookReceiver) next(t *testing.T) (out hookVerdict) {
	t.Helper()
	require.True(t, v.lines.Scan(), "the receiver has ended")
	require.NoError(t, json.Unmarshal(v.lines.Bytes(), &out), v.lines.Text())
	return out
}

func (v *hookReceiver) take(t *testing.T, secret string) {
	t.Helper()
	_, err := io.WriteString(v.in, secret+"\n")
	require.NoError(t, err)
	require.Equal(t, "taken", v.next(t).Secret)
}

// TestWebhooksAreVerifiedByTheirLibrary: the console makes a webhook, and a receiver that
// knows nothing of us but the secret takes its messages, also while the secret changes.
func TestWebhooksAreVerifiedByTheirLibrary(t *testing.T) {
	t.Parallel()
	catcher := mail.New(t, mail.Config{User: "gateway", Password: "canary_smtp_password"})
	g := newGateway(t, sqlite, freePorts(t, 2), "EMCY_SMTP_URL=smtp://gateway:canary_smtp_password@"+catcher.Addr, "EMCY_MAIL_FROM=Gateway <alerts@gateway.example>")
	ctx := t.Context()
	owner := httpflow.NewPerson(g.Console, "Ana", http.DefaultTransport)
	require.NoError(t, owner.SignUp(ctx))
	require.NoError(t, owner.CreateWorkspace(ctx, "Acme", "acme"))
	v := startHookReceiver(t)

	open := func(path string) *httpflow.Page {
		page, err := owner.Browser.Open(ctx, g.Console+path)
		require.NoError(t, err)
		require.NoError(t, page.Expect(http.StatusOK))
		return page
	}
	press := func(page *httpflow.Page, path string) *httpflow.Page {
		form, err := page.FormTo(path)
		require.NoError(t, err)
		next, err := owner.Browser.Submit(ctx, form)
		require.NoError(t, err)
		return next
	}
	require.Contains(t, open("/acme/alerts/settings").Text(), "alerts@gateway.example")

	form, err := open("/acme/alerts/webhooks/new").FormTo("/acme/alerts/webhooks/new")
	require.NoError(t, err)
	made, err := owner.Browser.Submit(ctx, form.Set("name", "Receiver").Set("url", v.URL).Set("event", "grant.needs_reconnect"))
	require.NoError(t, err)
	require.NoError(t, made.Expect(http.StatusOK))
	secret := regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`)
	first := secret.FindString(made.Text())
	path := regexp.MustCompile(`/acme/alerts/webhooks/whk_[0-9a-z]+`).FindString(string(made.Body))
	test := func() string {
		press(open(path), path+"/test")
		return strings.Join(strings.Fields(open(path).Text()), " ")
	}
	v.take(t, first)
	require.Contains(t, test(), "answered 204")
	got := v.next(t)
	require.Empty(t, got.Refused)
	require.Equal(t, "webhook.test", got.Message.Type)
	require.Equal(t, "acme", got.Message.Data["workspace"])

	second := secret.FindString(press(open(path), path+"/secret").Text())
	require.NotEqual(t, first, second)
	test()
	require.Empty(t, v.next(t).Refused, "the receiver has the old secret for a while")
	v.take(t, second)
	test()
	require.Empty(t, v.next(t).Refused, "and can change over")
	v.take(t, "whsec_"+strings.Repeat("A", 43)+"=")
	require.Contains(t, test(), "The receiver answered 401.")
	require.NotEmpty(t, v.next(t).Refused)
}
