package dpop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Header carries the proof, and NonceHeader the nonce that the next one needs.
const (
	Header      = "DPoP"
	NonceHeader = "DPoP-Nonce"
)

// Error codes of RFC 9449, sections 5 and 8.
const (
	ErrorInvalidProof = "invalid_dpop_proof"
	ErrorUseNonce     = "use_dpop_nonce"
)

const (
	// Window is how far a proof's iat may lie from our clock, on either side.
	Window = 60 * time.Second
	// Longest is how many bytes of a proof are looked at: an RSA key of 4096 bits and
	// its signature fit several times.
	Longest  = 8 << 10
	maxJTI   = 256
	minRSA   = 2048
	maxRSA   = 4096
	thumbLen = 43 // base64url of a SHA-256
)

// Algorithms are those that a proof may be signed with: asymmetric, and each of the
// one kind of key that it names.
var Algorithms = []string{"ES256", "EdDSA", "PS256", "RS256"}

// Request is what a proof must fit.
type Request struct {
	Method string
	// URLs are the request's own, without query and fragment (section 4.3): more than
	// one where the same place has several addresses.
	URLs []string
	// AccessToken is what the proof comes with; empty at the token endpoint.
	AccessToken string
	Now         time.Time
}

// Proof is a proof that holds.
type Proof struct {
	// Thumbprint of the key (RFC 7638): the jkt of what is bound to it.
	Thumbprint string
	ID         string
	IssuedAt   time.Time
	Nonce      string
}

// Expires is when the proof would not be accepted any more, and its jti need not
// be known.
func (p Proof) Expires() time.Time { return p.IssuedAt.Add(Window + time.Second) }

// The reasons for which a proof is refused. Their texts may be shown.
var (
	ErrMalformed = errors.New("the DPoP proof is malformed")
	ErrKey       = errors.New("the DPoP proof's key or algorithm is not accepted")
	ErrSignature = errors.New("the DPoP proof's signature is wrong")
	ErrMethod    = errors.New("the DPoP proof is for another method")
	ErrURL       = errors.New("the DPoP proof is for another URL")
	ErrTime      = errors.New("the DPoP proof was not made just now")
	ErrToken     = errors.New("the DPoP proof is for another access token")
)

// header is what of a proof's header counts (section 4.2). Other members are let
// be, unless the sender says that they must be understood.
type header struct {
	Typ  string         `json:"typ"`
	Alg  string         `json:"alg"`
	JWK  jsontext.Value `json:"jwk"`
	Crit jsontext.Value `json:"crit"`
}

type claims struct {
	ID       string   `json:"jti"`
	Method   string   `json:"htm"`
	URL      string   `json:"htu"`
	IssuedAt *float64 `json:"iat"`
	Token    *string  `json:"ath"`
	Nonce    string   `json:"nonce"`
}

// Verify judges a proof; its error is one of those above.
func Verify(proof string, r Request) (Proof, error) {
	h, ok := readHeader(proof)
	if !ok {
		return Proof{}, ErrMalformed
	}
	key, ok := publicKey(h)
	if !ok {
		return Proof{}, ErrKey
	}
	signed, err := jose.ParseSignedCompact(proof, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(h.Alg)})
	if err != nil {
		return Proof{}, ErrMalformed
	}
	payload, err := signed.Verify(key.Key)
	if err != nil {
		return Proof{}, ErrSignature
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil || c.ID == "" || len(c.ID) > maxJTI || c.IssuedAt == nil {
		return Proof{}, ErrMalformed
	}
	if err := c.fit(r); err != nil {
		return Proof{}, err
	}
	thumb, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return Proof{}, ErrKey
	}
	return Proof{Thumbprint: base64.RawURLEncoding.EncodeToString(thumb), ID: c.ID, IssuedAt: c.issuedAt(), Nonce: c.Nonce}, nil
}

func (c claims) issuedAt() time.Time { return time.Unix(int64(*c.IssuedAt), 0) }

func (c claims) fit(r Request) error {
	switch {
	case c.Method != r.Method:
		return ErrMethod
	case !slices.ContainsFunc(r.URLs, func(own string) bool { return SameURL(c.URL, own) }):
		return ErrURL
	case math.Abs(*c.IssuedAt-float64(r.Now.UnixMilli())/1000) > Window.Seconds():
		return ErrTime
	}
	if r.AccessToken == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(r.AccessToken))
	if c.Token == nil || subtle.ConstantTimeCompare([]byte(*c.Token), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) != 1 {
		return ErrToken
	}
	return nil
}

// readHeader reads strictly: every name once, and as it is written.
func readHeader(proof string) (header, bool) {
	if len(proof) > Longest || strings.Count(proof, ".") != 2 {
		return header{}, false
	}
	first, _, _ := strings.Cut(proof, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil || strings.ContainsAny(first, "\r\n") {
		return header{}, false
	}
	var h header
	if err := json.Unmarshal(raw, &h); err != nil || h.Typ != "dpop+jwt" || h.Crit != nil {
		return header{}, false
	}
	return h, true
}

// privateMembers are the parameters of private and symmetric keys (RFC 7518,
// sections 6.2.2, 6.3.2 and 6.4). Who shows one has lost the key.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// publicKey reads the key, and holds its kind against the algorithm.
func publicKey(h header) (jose.JSONWebKey, bool) {
	var members map[string]jsontext.Value
	if !slices.Contains(Algorithms, h.Alg) || json.Unmarshal(h.JWK, &members) != nil {
		return jose.JSONWebKey{}, false
	}
	for _, name := range privateMembers {
		if _, there := members[name]; there {
			return jose.JSONWebKey{}, false
		}
	}
	// Only what makes the key counts: a kid, a use or a certificate beside it is nobody's business here.
	bare := map[string]jsontext.Value{}
	for _, name := range []string{"kty", "crv", "x", "y", "n", "e"} {
		if v, there := members[name]; there {
			bare[name] = v
		}
	}
	raw, err := json.Marshal(bare)
	if err != nil {
		return jose.JSONWebKey{}, false
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(raw); err != nil || !key.Valid() || !key.IsPublic() {
		return jose.JSONWebKey{}, false
	}
	switch k := key.Key.(type) {
	case *ecdsa.PublicKey:
		return key, h.Alg == "ES256" && k.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return key, h.Alg == "EdDSA"
	case *rsa.PublicKey:
		size := k.N.BitLen()
		return key, (h.Alg == "PS256" || h.Alg == "RS256") && size >= minRSA && size <= maxRSA && k.E >= 3 && k.E%2 == 1
	}
	return jose.JSONWebKey{}, false
}

// IsThumbprint tells whether a text can be a jkt (section 10, dpop_jkt).
func IsThumbprint(s string) bool {
	return len(s) == thumbLen && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
