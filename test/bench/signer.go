package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"flag"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/emcy/gateway/internal/ids"
)

// tokenAnswer is as much of a token endpoint's answer as is read here.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

// signerRole is a token endpoint that reads its form, signs an access token with
// ES256, and neither checks nor stores anything.
func signerRole(context.Context, *flag.FlagSet, []string) (http.Handler, func() error, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	signer, err := newSigner(key, "bench")
	if err != nil {
		return nil, nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "form", http.StatusBadRequest)
			return
		}
		now := time.Now()
		token, err := jwt.Signed(signer).Claims(map[string]any{
			"iss": "http://localhost", "sub": "acc_1", "aud": r.PostForm.Get("resource"), "client_id": r.PostForm.Get("client_id"), "scope": "mcp",
			"fid": "fam_1", "jti": ids.New("at"), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		}).Serialize()
		if err != nil {
			http.Error(w, "sign", http.StatusInternalServerError)
			return
		}
		body, err := json.Marshal(tokenAnswer{AccessToken: token, TokenType: "Bearer", ExpiresIn: 3600, RefreshToken: ids.Secret("emc_rt"), Scope: "mcp"})
		if err != nil {
			http.Error(w, "encode", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body) // the client sees what is missing
	}), func() error { return nil }, nil
}

func newSigner(key crypto.Signer, kid string) (jose.Signer, error) {
	return jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: kid}},
		(&jose.SignerOptions{}).WithType("at+jwt"),
	)
}
