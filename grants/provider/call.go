package provider

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emcy/gateway/internal/outbound"
)

const (
	// MaxAnswer is the most that is read of an answer of any endpoint, in bytes.
	MaxAnswer = 256 << 10
	maxRetry  = 24 * time.Hour
)

// answer is what came back, whole.
type answer struct {
	status int
	header http.Header
	body   []byte
	// sent must not come back in an error.
	sent []string
}

// json reports whether the answer says that it is JSON.
func (a answer) json() bool {
	media := a.media()
	return media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
}

func (a answer) media() string {
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return media
}

// call sends one request, once: a refresh that is repeated can cost the grant. The error
// knows whether the provider may have seen the request.
func (p *Provider) call(ctx context.Context, req *http.Request, sentSecrets ...string) (answer, *Error) {
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	resp, err := p.out.Do(req.WithContext(ctx))
	if err != nil {
		return answer{}, p.unanswered(err, sent.Load())
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up by now
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if err != nil {
		e := p.unanswered(err, true)
		e.Status, e.RetryAfter = resp.StatusCode, p.retryAfter(resp.StatusCode, resp.Header)
		return answer{}, e
	}
	if len(body) > MaxAnswer {
		return answer{}, &Error{Kind: Invalid, Code: "too_large", Status: resp.StatusCode, Sent: true, words: "The provider's answer is too large.", Cure: cureSettings}
	}
	return answer{resp.StatusCode, resp.Header, body, sentSecrets}, nil
}

// unanswered is an error before an answer was complete.
func (p *Provider) unanswered(err error, sent bool) *Error {
	own := outbound.Classify(err)
	e := &Error{Kind: Temporary, Code: string(own.Kind), Status: own.Status, Sent: sent, words: "The provider does not answer: " + own.Public() + ".", Cure: cureLater, cause: own}
	switch own.Kind {
	case outbound.KindURL, outbound.KindAddress:
		e.Kind, e.Cure = Misconfigured, "Correct the endpoint in the profile."
	case outbound.KindRedirect, outbound.KindTooLarge, outbound.KindEncoding, outbound.KindStatus, outbound.KindContent:
		e.Kind, e.words, e.Cure = Invalid, "The provider's answer cannot be used: "+own.Public()+".", cureSettings
		e.Sent = true
	case outbound.KindDNS, outbound.KindConnect, outbound.KindUnreachable, outbound.KindTimeout, outbound.KindTLS, outbound.KindProtocol, outbound.KindCanceled, outbound.KindInternal:
	}
	return e
}

// retryAfter reads Retry-After (RFC 9110, section 10.2.3), or the time at which Okta,
// Auth0 and GitHub start counting anew, in seconds since 1970.
func (p *Provider) retryAfter(status int, h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetry)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(p.clock.Now()), 0), maxRetry)
	}
	for _, name := range []string{"X-Rate-Limit-Reset", "X-RateLimit-Reset"} {
		at, err := strconv.ParseInt(h.Get(name), 10, 64)
		if err == nil && status == http.StatusTooManyRequests {
			return min(max(time.Unix(at, 0).Sub(p.clock.Now()), 0), maxRetry)
		}
	}
	return 0
}

// post sends a form as our client: the endpoint decides what an error in the answer
// looks like.
func (p *Provider) post(ctx context.Context, c Config, endpoint string, form url.Values) (answer, *Error) {
	header, failed := p.authenticate(c, form)
	if failed != nil {
		return answer{}, failed
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, misaddressed()
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.Style.AcceptJSON {
		req.Header.Set("Accept", "application/json")
	}
	sent := []string{c.Client.Secret.Reveal(), url.QueryEscape(c.Client.Secret.Reveal())}
	for _, name := range secretParameters {
		sent = append(sent, form.Get(name))
	}
	return p.call(ctx, req, sent...)
}

// secretParameters are the members of a form that nobody else may see.
var secretParameters = []string{"code", "code_verifier", "refresh_token", "token", "subject_token", "client_assertion"}

// authenticate adds our client's proof to the form or the header (RFC 6749, section
// 2.3.1; RFC 7523, section 2.2).
func (p *Provider) authenticate(c Config, form url.Values) (http.Header, *Error) {
	header := http.Header{}
	switch c.Client.method() {
	case AuthNone:
		form.Set("client_id", c.Client.ID)
	case AuthPost:
		form.Set("client_id", c.Client.ID)
		form.Set("client_secret", c.Client.Secret.Reveal())
	case AuthBasic:
		var r http.Request
		r.Header = header
		r.SetBasicAuth(url.QueryEscape(c.Client.ID), url.QueryEscape(c.Client.Secret.Reveal()))
	case AuthPrivateKey:
		assertion, err := p.assertion(c)
		if err != nil {
			return nil, &Error{Kind: Misconfigured, Code: "client_key", words: "The gateway's key for this provider cannot be used.", Cure: "Make a new key for the profile's client.", cause: err}
		}
		form.Set("client_id", c.Client.ID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	default:
		return nil, &Error{Kind: Misconfigured, Code: "auth_method", words: "The profile's client authentication method is not known.", Cure: cureClient}
	}
	return header, nil
}

func (c Client) method() string {
	switch {
	case c.AuthMethod != "":
		return c.AuthMethod
	case c.Key != nil:
		return AuthPrivateKey
	case c.Secret.Empty():
		return AuthNone
	}
	return AuthBasic
}

func misaddressed() *Error {
	return &Error{Kind: Misconfigured, Code: "url", words: "This endpoint of the provider is not a URL.", Cure: "Correct the endpoint in the profile.", cause: errors.New("the endpoint is not a URL")}
}

// missing is an endpoint that the provider does not have.
func missing(what string) *Error {
	return &Error{Kind: Unsupported, Code: "no_endpoint", words: "The provider has no " + what + " endpoint.", Cure: "Type it into the profile where the provider's metadata does not name it."}
}
