package forms_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/web/forms"
)

func TestNextNeverLeavesTheConsole(t *testing.T) {
	t.Parallel()
	bypasses := []string{
		"", " ", "evil.example", "//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\/evil.example`, `\\evil.example`, `/\/evil.example`,
		"https://evil.example", "http:evil.example", "https:/evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "mailto:a@b.example",
		"/\tevil.example", "/\t/evil.example", "\t//evil.example", "/\n/evil.example", "/\r\n/evil.example", "/a\r\nSet-Cookie: x=1", "/\x00/evil.example", "\x00//evil.example",
		" //evil.example", "/ /evil.example", "/\u2028/evil.example", "/\u3000/evil.example", "/／evil.example", "／／evil.example", "/%2f%2fevil.example", "/%5cevil.example",
		"/%5c%5cevil.example", "/%09/evil.example", "/%0d%0aLocation:%20x", "/%252f%252fevil.example", "/./\\evil.example", "/.//evil.example", "/..//evil.example", "/a/..//evil.example",
		"/%2e%2e//evil.example", "/a/../../evil.example", "/a//evil.example", "//", "/a/.", "/a/..", "/@evil.example", "/.evil.example@x", "/:80", "/a#//evil.example", "/a;//evil.example",
		"/<script>", "/a?x=<script>", "/a?x=\"", "?next=/", "#", "@evil.example", "/sign-in", "/sign-in?next=/a", "/sign-out", "/sign-up", "/a//", "/é", "/" + strings.Repeat("a", 2000),
		"http://localhost:8080@evil.example/", "localhost:8080/a", "/\u202eevil",
	}
	base, err := url.Parse("http://localhost:8080/sign-in")
	require.NoError(t, err)
	for _, typed := range bypasses {
		got := forms.Next(typed, "/workspaces")
		require.Equal(t, "/workspaces", got, "%q", typed)
		target, err := base.Parse(got)
		require.NoError(t, err)
		require.Equal(t, base.Host, target.Host, "%q", typed)
	}
	for _, typed := range []string{
		"/", "/workspaces", "/acme", "/acme/runtimes/todos/edit", "/acme/logs?before=evt_01abc&live=1", "/acme/-/stream?topics=connect:todos,logs", "/a?x=%2F%2Fevil.example", "/a?x=//b",
	} {
		require.Equal(t, typed, forms.Next(typed, "/workspaces"))
		target, err := base.Parse(typed)
		require.NoError(t, err)
		require.Equal(t, base.Scheme+base.Host, target.Scheme+target.Host)
	}
}

func FuzzNext(f *testing.F) {
	f.Add("/acme/logs?before=1")
	f.Add("//evil.example")
	f.Add("/a/..//b")
	base, err := url.Parse("http://localhost:8080/sign-in")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, typed string) {
		got := forms.Next(typed, "/fallback")
		target, err := base.Parse(got)
		require.NoError(t, err)
		require.Equal(t, "http://localhost:8080", target.Scheme+"://"+target.Host)
		require.True(t, strings.HasPrefix(got, "/") && !strings.HasPrefix(got, "//") && !strings.ContainsAny(got, "\\\r\n\t\x00 "))
	})
}

func TestParseRefusesWhatNoBrowserSends(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"twice":        "email=a%40b.example&email=c%40d.example",
		"csrf twice":   "csrf=a&csrf=a",
		"bad escape":   "name=%zz",
		"semicolon":    "name=a;email=b",
		"name of null": "%00=a",
	} {
		_, err := forms.Parse(forms.MediaType, []byte(body))
		require.ErrorIs(t, err, forms.ErrMalformed, name)
	}
	for _, kind := range []string{"", "text/plain", "application/json", "multipart/form-data; boundary=x", forms.MediaType + "; charset=utf-16"} {
		_, err := forms.Parse(kind, []byte("a=b"))
		require.ErrorIs(t, err, forms.ErrMediaType, kind)
	}
	v, err := forms.Parse(forms.MediaType+"; charset=UTF-8", []byte("csrf=t&name=A%0AB&email=%20a%40b.example&password=+p+&next=//evil.example"))
	require.NoError(t, err)
	require.Equal(t, "t", v.Token())
	require.Equal(t, forms.SignUp{Name: "AB", Email: " a@b.example", Password: " p "}, forms.ReadSignUp(v))
}

func TestBytesThatAreNoTextAreToldByField(t *testing.T) {
	t.Parallel()
	v, err := forms.Parse(forms.MediaType, []byte("csrf=t%00&name=a%00b&slug=%ff&email=a%40b.example&header_name=A&header_value=1&header_name=B&header_value=%00"))
	require.NoError(t, err)
	require.Equal(t, forms.Workspace{Name: "a\uFFFDb", Slug: "\uFFFD"}, forms.ReadWorkspace(v), "what could be read is kept")
	require.NotEqual(t, "t", v.Token())
	for _, field := range []string{"name", "slug", "csrf", "header_value.1"} {
		require.NotEmpty(t, v.Unreadable()[field], field)
	}
	require.Len(t, v.Unreadable(), 4)
	v, err = forms.Parse(forms.MediaType, []byte("name=a%01%0D%0A"))
	require.NoError(t, err)
	require.Empty(t, v.Unreadable(), "what a domain refuses, or takes out, is its own matter")
}

func TestRuntimeHeadersPairUp(t *testing.T) {
	t.Parallel()
	read := func(body string) (forms.Runtime, error) {
		v, err := forms.Parse(forms.MediaType, []byte(body))
		require.NoError(t, err)
		return forms.ReadRuntime(v)
	}
	in, err := read("name=Todos&slug=todos&url=+http%3A%2F%2Fx%2Fmcp&header_name=A&header_value=1&header_name=&header_value=&header_name=B&header_value=&version=7")
	require.NoError(t, err)
	require.Equal(t, forms.Runtime{Name: "Todos", Slug: "todos", URL: "http://x/mcp", Headers: []forms.Header{{"A", "1"}, {"", ""}, {"B", ""}}, Version: 7}, in)
	require.Equal(t, []string{"A", "", "B"}, in.HeaderNames())
	require.Equal(t, []string{"1", "", ""}, in.HeaderValues())
	require.Equal(t, map[string]string{"header_value.2": "Type the value of this header."}, in.MissingValues(nil))
	require.Empty(t, in.MissingValues([]string{"b"}))

	for _, body := range []string{"header_name=A", "header_name=A&header_name=B&header_value=1", "version=x", "version=-1", "version=0", strings.Repeat("header_name=a&header_value=b&", 9)} {
		_, err := read(body)
		require.ErrorIs(t, err, forms.ErrMalformed, body)
	}
}
