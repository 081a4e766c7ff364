package emcyworker

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// header is what a header of the contract carries.
type header int

const (
	secretHeader header = iota
	subjectHeader
	tenantHeader
	clientHeader
	requestIDHeader
	assertionHeader
	tokenHeader
	headerCount
)

// names are the variable that renames a header, and its default name.
var names = [headerCount][2]string{
	secretHeader:    {"EMCY_WORKER_SECRET_HEADER", "X-Emcy-Worker-Secret"},
	subjectHeader:   {"EMCY_WORKER_SUBJECT_HEADER", "X-Emcy-Subject"},
	tenantHeader:    {"EMCY_WORKER_TENANT_HEADER", "X-Emcy-Tenant"},
	clientHeader:    {"EMCY_WORKER_CLIENT_HEADER", "X-Emcy-Client"},
	requestIDHeader: {"EMCY_WORKER_REQUEST_ID_HEADER", "X-Emcy-Request-Id"},
	assertionHeader: {"EMCY_WORKER_ASSERTION_HEADER", "X-Emcy-Assertion"},
	tokenHeader:     {"EMCY_UPSTREAM_ACCESS_TOKEN_HEADER", "X-Emcy-Upstream-Access-Token"},
}

const (
	prefix        = "X-Emcy-"
	authorization = "Authorization"
)

type settings struct {
	secrets   [][sha256.Size]byte
	issuers   []string
	audiences []string
	headers   [headerCount]string // canonical
	problem   string              // why nobody is let in, "" where somebody may be
}

func readSettings(getenv func(string) string) settings {
	var s settings
	for _, secret := range list(getenv("EMCY_WORKER_SHARED_SECRET")) {
		s.secrets = append(s.secrets, sha256.Sum256([]byte(secret)))
	}
	s.issuers, s.audiences = list(getenv("EMCY_WORKER_ISSUER")), list(getenv("EMCY_WORKER_AUDIENCE"))
	for what, name := range names {
		s.headers[what] = http.CanonicalHeaderKey(name[1])
		if own := strings.TrimSpace(getenv(name[0])); own != "" {
			s.headers[what] = http.CanonicalHeaderKey(own)
		}
	}
	switch {
	case (len(s.issuers) > 0) != (len(s.audiences) > 0) || slices.ContainsFunc(s.issuers, unsafe):
		s.problem = "worker_assertion_not_set"
	case len(s.secrets) == 0 && len(s.issuers) == 0:
		s.problem = "worker_secret_not_set"
	}
	return s
}

func (s *settings) bearer() bool { return s.headers[tokenHeader] == authorization }

// stripped reports whether a header is the contract's and none of the application's.
func (s *settings) stripped(name string) bool {
	return strings.HasPrefix(name, prefix) || name == callerHeader || (slices.Contains(s.headers[:], name) && name != authorization)
}

func list(value string) []string {
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// unsafe reports whether an issuer's keys come over the open network in the clear, where
// they could be anybody's.
func unsafe(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return true
	}
	return u.Scheme != "https" && (u.Scheme != "http" || !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()))
}
