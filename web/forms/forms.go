package forms

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MediaType is the only one that forms are sent in.
const MediaType = "application/x-www-form-urlencoded"

// CSRF is the field that carries the form's token.
const CSRF = "csrf"

// HeaderSlots is the most static headers that the runtime form sends.
const HeaderSlots = 8

var (
	// ErrMediaType says that the body is not of MediaType.
	ErrMediaType = errors.New("the body is not a form")
	// ErrMalformed says that no browser makes such a form of ours.
	ErrMalformed = errors.New("the form is malformed")
)

// Values are the fields of a posted form.
type Values struct {
	fields     url.Values
	unreadable map[string]string
}

// repeated are the fields that may stand in a form more than once.
var repeated = []string{"header_name", "header_value", "include", "tool", "scope", "tool_scope", "resource_on", "grant", "event"}

// Parse reads a body. Bytes of a value that no field can hold become U+FFFD, so that
// the form can be shown again; Unreadable tells of them.
func Parse(contentType string, body []byte) (Values, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != MediaType {
		return Values{}, ErrMediaType
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return Values{}, ErrMediaType
	}
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return Values{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	v := Values{fields: fields, unreadable: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !isText(name) {
			return Values{}, fmt.Errorf("%w: %q is no text", ErrMalformed, clip(name))
		}
		if len(fields[name]) > 1 && !slices.Contains(repeated, name) {
			return Values{}, fmt.Errorf("%w: %q is there %d times", ErrMalformed, clip(name), len(fields[name]))
		}
		for i, value := range fields[name] {
			if isText(value) {
				continue
			}
			fields[name][i] = strings.ReplaceAll(strings.ToValidUTF8(value, "\uFFFD"), "\x00", "\uFFFD")
			field := name
			if slices.Contains(repeated, name) {
				field += "." + strconv.Itoa(i)
			}
			v.unreadable[field] = "This has characters that cannot be read. Type it again."
		}
	}
	return v, nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// Unreadable holds a message for each field that had bytes which are no text.
func (v Values) Unreadable() map[string]string { return v.unreadable }

// clip keeps a name that somebody else chose short in our log.
func clip(name string) string { return name[:min(len(name), 40)] }

// Token is the form's token.
func (v Values) Token() string { return v.one(CSRF) }

func (v Values) one(name string) string { return v.fields.Get(name) }

// line is a field of one line: what a browser's text input can hold.
func (v Values) line(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, v.one(name))
}

// SignUp is the form of a new account.
type SignUp struct {
	Name, Email, Password string
	// Next is a local path, or empty.
	Next string
}

// ReadSignUp reads the form.
func ReadSignUp(v Values) SignUp {
	return SignUp{Name: v.line("name"), Email: v.line("email"), Password: v.one("password"), Next: Next(v.one("next"), "")}
}

// SignIn is the sign-in form.
type SignIn struct {
	Email, Password string
	// Next is a local path, or empty.
	Next string
}

// ReadSignIn reads the form.
func ReadSignIn(v Values) SignIn {
	return SignIn{Email: v.line("email"), Password: v.one("password"), Next: Next(v.one("next"), "")}
}

// Workspace is the form of a new workspace.
type Workspace struct{ Name, Slug string }

// ReadWorkspace reads the form.
func ReadWorkspace(v Values) Workspace {
	return Workspace{Name: v.line("name"), Slug: v.line("slug")}
}

// Runtime is the form of a runtime, new or edited.
type Runtime struct {
	Name, Slug, URL string
	// Headers are the rows of the static headers, in the form's order, empty ones
	// included, so that a message can stand by its row.
	Headers []Header
	// Version is the version that the edit form was opened with, 0 in a new form.
	Version int64
}

// Header is a row of the static headers.
type Header struct{ Name, Value string }

// ReadRuntime reads the form. ErrMalformed where names and values do not pair up
// or the version is no number.
func ReadRuntime(v Values) (Runtime, error) {
	in := Runtime{Name: v.line("name"), Slug: v.line("slug"), URL: strings.TrimSpace(v.line("url"))}
	names, values := v.fields["header_name"], v.fields["header_value"]
	if len(names) != len(values) || len(names) > HeaderSlots {
		return Runtime{}, fmt.Errorf("%w: %d header names and %d values", ErrMalformed, len(names), len(values))
	}
	for i := range names {
		in.Headers = append(in.Headers, Header{Name: strings.TrimSpace(names[i]), Value: strings.TrimSpace(values[i])})
	}
	if version := v.one("version"); version != "" {
		n, err := strconv.ParseInt(version, 10, 64)
		if err != nil || n < 1 {
			return Runtime{}, fmt.Errorf("%w: version", ErrMalformed)
		}
		in.Version = n
	}
	return in, nil
}

// HeaderNames are the names, in order.
func (r Runtime) HeaderNames() []string {
	out := make([]string, len(r.Headers))
	for i, h := range r.Headers {
		out[i] = h.Name
	}
	return out
}

// HeaderValues are the values, in order.
func (r Runtime) HeaderValues() []string {
	out := make([]string, len(r.Headers))
	for i, h := range r.Headers {
		out[i] = h.Value
	}
	return out
}

// MissingValues says by field which headers were named without a value. The form
// never shows a value again, so after a refused form an empty one is more likely
// forgotten than meant. In the edit form, stored names the headers that have one.
func (r Runtime) MissingValues(stored []string) map[string]string {
	missing := map[string]string{}
	for i, h := range r.Headers {
		known := slices.ContainsFunc(stored, func(name string) bool { return strings.EqualFold(name, h.Name) })
		if h.Name != "" && h.Value == "" && !known {
			missing["header_value."+strconv.Itoa(i)] = "Type the value of this header."
		}
	}
	return missing
}

// Remove is the form that removes a runtime.
type Remove struct{ Confirm string }

// ReadRemove reads the form.
func ReadRemove(v Values) Remove { return Remove{Confirm: strings.TrimSpace(v.line("confirm"))} }
