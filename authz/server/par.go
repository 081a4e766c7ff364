package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/dpop"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// Pushed authorization requests (RFC 9126).
const (
	parPath    = "/par"
	parLife    = 60 * time.Second
	parPrefix  = "emc_par"
	requestURN = "urn:ietf:params:oauth:request_uri:"
)

type pushedRow struct {
	TenantID   string
	Hash       string
	ClientID   string
	Parameters []byte // sealed
	CreatedAt  time.Time
	ExpiresAt  time.Time
	UsedAt     *time.Time
}

func (pushedRow) TableName() string { return "pushed_requests" }

var (
	errPAROff      = &oauthError{Code: "not_found", Description: "Pushed authorization requests are off here.", Status: http.StatusNotFound}
	errPARRequired = &oplib.Error{Code: "invalid_request", Description: "Send the authorization request to the pushed authorization request endpoint first."}
	errRequestURI  = errors.New("request_uri is not valid")
)

// push takes an authorization request from the client itself, judges it, and gives
// a name for it that the browser carries.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	values, err := form(r)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	name, err := s.pushed(r, values)
	if err != nil {
		e, ok := errors.AsType[*oauthError](err)
		if refused, is := errors.AsType[*oplib.Error](err); is {
			e, ok = &oauthError{Code: refused.Code, Description: refused.Description, Status: refused.Status}, true
		}
		if ok && e.Code == "invalid_client" {
			e = &oauthError{Code: e.Code, Description: e.Description, Status: http.StatusUnauthorized}
			if r.Header.Get("Authorization") != "" {
				w.Header().Set("WWW-Authenticate", `Basic realm="par"`)
			}
		}
		if ok {
			err = e
		}
		s.writeError(w, r, err)
		return
	}
	w.Header().Set("Pragma", "no-cache")
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": name, "expires_in": int64(parLife / time.Second)})
}

func (s *Server) pushed(r *http.Request, values url.Values) (name string, err error) {
	ctx, req := r.Context(), requestFrom(r.Context())
	if wait := s.attempts.Take(req.handle.Tenant(), s.clientIP(r)); wait > 0 {
		return "", &oauthError{Code: "temporarily_unavailable", Description: "Too many sign-ins were started from this address.", Status: http.StatusTooManyRequests, RetryAfter: wait}
	}
	credentials, err := oplib.ReadCredentials(r)
	if err != nil {
		return "", err
	}
	proven, err := s.Client(ctx, credentials)
	if err != nil {
		return "", err
	}
	asked := readAuthorize(values)
	asked.ClientID = proven.ID
	switch {
	case values.Has("request_uri"):
		return "", &oauthError{Code: "invalid_request", Description: "request_uri cannot be pushed."}
	case values.Has("client_id") && values.Get("client_id") != proven.ID:
		return "", &oauthError{Code: "invalid_request", Description: "client_id is not the one that authenticated."}
	}
	err = s.checkRedirect(ctx, asked.ClientID, asked.RedirectURI)
	if err == errRedirect { //nolint:errorlint // a sentinel that is returned bare
		return "", &oauthError{Code: "invalid_request", Description: "redirect_uri is not registered for this client."}
	}
	if err == nil {
		err = checkAuthorize(asked)
	}
	if err == nil {
		_, _, err = s.target(ctx, req, asked.Resources)
	}
	if err != nil {
		return "", err
	}
	proof, err := s.readProof(ctx, parPath, r.Header.Values(dpop.Header))
	if err != nil {
		return "", err
	}
	return s.storePushed(ctx, asked, proof)
}

func (s *Server) storePushed(ctx context.Context, asked oplib.AuthorizeRequest, proof *dpop.Proof) (name string, err error) {
	secret := ids.Secret(parPrefix)
	var refused error
	err = s.db.Write(ctx, requestFrom(ctx).handle, func(tx *tenancy.Tx) error {
		set, err := settings.Load(tx)
		if err != nil {
			return err
		}
		client, denied, err := known(tx, asked.ClientID)
		if refused = denied; err != nil || refused != nil {
			return err
		}
		if set.PAR == settings.Never {
			refused = errPAROff
			return nil
		}
		if asked.DPoPJKT, refused = codeKey(set, asked); refused != nil {
			return nil //nolint:nilerr // a refusal is no failure
		}
		if proof != nil { // the code will be bound to its key (RFC 9449, section 10.1)
			jkt, denied, err := s.bind(ctx, tx, set, client, proof, asked.DPoPJKT)
			if denied == error(errOtherKey) { //nolint:errorlint // a sentinel that is returned bare
				denied = invalidProof("dpop_jkt is not the thumbprint of the DPoP proof's key.")
			}
			if refused = denied; err != nil || refused != nil {
				return err
			}
			asked.DPoPJKT = jkt
		}
		plain, err := json.Marshal(asked)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		hash := ids.Hash(secret)
		sealed, err := tx.Seal("pushed_requests", "parameters", hash, plain)
		if err != nil {
			return err
		}
		now := tx.Now()
		return tx.DB().Create(&pushedRow{TenantID: tx.Tenant(), Hash: hash, ClientID: asked.ClientID, Parameters: sealed, CreatedAt: now, ExpiresAt: now.Add(parLife)}).Error
	})
	if err != nil {
		return "", fmt.Errorf("store pushed request: %w", err)
	}
	return requestURN + secret, refused
}

// takePushed gives what was pushed, once and only to its client. errRequestURI says
// that there is nothing to give.
func (s *Server) takePushed(ctx context.Context, clientID, requestURI string) (asked oplib.AuthorizeRequest, err error) {
	secret, ours := strings.CutPrefix(requestURI, requestURN)
	if !ours || !ids.ValidSecret(parPrefix, secret) || !clients.Storable(clientID) {
		return asked, errRequestURI
	}
	hash := ids.Hash(secret)
	err = s.db.Write(ctx, requestFrom(ctx).handle, func(tx *tenancy.Tx) error {
		now := tx.Now()
		res := tx.DB().Model(&pushedRow{}).Where("hash = ? AND client_id = ? AND used_at IS NULL AND expires_at > ?", hash, clientID, now).Update("used_at", &now)
		if res.Error != nil {
			return fmt.Errorf("use pushed request: %w", res.Error)
		}
		if res.RowsAffected == 0 {
			return errRequestURI
		}
		var row pushedRow
		if err := tx.DB().Where("hash = ?", hash).First(&row).Error; err != nil {
			return fmt.Errorf("read pushed request: %w", err)
		}
		plain, err := tx.Open("pushed_requests", "parameters", hash, row.Parameters)
		if err != nil {
			return err
		}
		return json.Unmarshal(plain, &asked)
	})
	return asked, err
}

// unfold puts what was pushed in the place of a request_uri of ours: nothing else in
// the URL counts then (RFC 9126, section 4).
func (s *Server) unfold(r *http.Request, values url.Values) (*http.Request, url.Values, error) {
	if !strings.HasPrefix(values.Get("request_uri"), requestURN) {
		return r, values, nil
	}
	asked, err := s.takePushed(r.Context(), values.Get("client_id"), values.Get("request_uri"))
	if err != nil {
		return r, values, err
	}
	req := requestFrom(r.Context())
	req.pushed = true
	return r.WithContext(withRequest(r.Context(), req)), parameters(asked), nil
}

// protect refuses a request that lacks a protection which the tenant or the client
// insists on, and gives the key that its code is bound to.
func (s *Server) protect(ctx context.Context, req request, r oplib.AuthorizeRequest) (jkt string, err error) {
	var set settings.Settings
	var client clients.Client
	err = s.db.Read(ctx, req.handle, func(tx *tenancy.Tx) (err error) {
		if set, err = settings.Load(tx); err != nil {
			return err
		}
		client, _, err = clients.Load(tx, r.ClientID)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read settings: %w", err)
	}
	jkt, err = codeKey(set, r)
	if err != nil || req.pushed {
		return jkt, err
	}
	return jkt, checkPushed(set, client)
}

// codeKey is the key that a client wants its code bound to (RFC 9449, section 10).
func codeKey(set settings.Settings, r oplib.AuthorizeRequest) (string, error) {
	if set.DPoP == settings.Never || r.DPoPJKT == "" {
		return "", nil
	}
	if !dpop.IsThumbprint(r.DPoPJKT) {
		return "", &oplib.Error{Code: "invalid_request", Description: "dpop_jkt is not the base64url form of a SHA-256."}
	}
	return r.DPoPJKT, nil
}

// checkPushed refuses a request that came through the browser where it has to be
// pushed.
func checkPushed(set settings.Settings, c clients.Client) error {
	if set.PAR == settings.Required || set.PAR != settings.Never && c.PARRequired {
		return errPARRequired
	}
	return nil
}

// readAuthorize reads an authorization request's parameters.
func readAuthorize(values url.Values) oplib.AuthorizeRequest {
	return oplib.AuthorizeRequest{
		ClientID: values.Get("client_id"), RedirectURI: values.Get("redirect_uri"), ResponseType: values.Get("response_type"),
		ResponseMode: values.Get("response_mode"), State: values.Get("state"), Scope: values.Get("scope"), CodeChallenge: values.Get("code_challenge"),
		CodeChallengeMethod: values.Get("code_challenge_method"), Prompt: strings.Fields(values.Get("prompt")), RequestObject: values.Has("request"),
		Resources: slices.DeleteFunc(slices.Clone(values["resource"]), func(v string) bool { return v == "" }), DPoPJKT: values.Get("dpop_jkt"),
	}
}

// parameters writes a pushed request as the parameters that it came as.
func parameters(a oplib.AuthorizeRequest) url.Values {
	out := url.Values{"resource": a.Resources}
	for name, v := range map[string]string{
		"client_id": a.ClientID, "redirect_uri": a.RedirectURI, "response_type": a.ResponseType, "response_mode": a.ResponseMode, "state": a.State,
		"scope": a.Scope, "code_challenge": a.CodeChallenge, "code_challenge_method": a.CodeChallengeMethod, "prompt": strings.Join(a.Prompt, " "), "dpop_jkt": a.DPoPJKT,
	} {
		if v != "" {
			out.Set(name, v)
		}
	}
	return out
}

// sweepPushed deletes what has expired, in all tenants.
func sweepPushed(tx *tenancy.Tx, now time.Time) error {
	return tx.DB().Where("expires_at < ?", now).Delete(&pushedRow{}).Error
}
