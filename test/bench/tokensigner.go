package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/workspaces"
)

// tokenSigner has the signing key of the only workspace in a data folder: asking
// the token endpoint for tens of thousands of tokens would take longer than the
// measurement.
type tokenSigner struct{ signer jose.Signer }

func readSigner(ctx context.Context, dataDir string) (_ *tokenSigner, err error) {
	kek, err := seal.LoadOrCreateFile(filepath.Join(dataDir, "key"), false)
	if err != nil {
		return nil, err
	}
	db, err := tenancy.Open(ctx, tenancy.Config{SQLitePath: filepath.Join(dataDir, "emcy.db"), KEK: kek, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	handles, err := workspaces.New(db, workspaces.Placement{}, keys.Create).Handles(ctx)
	if err != nil {
		return nil, err
	}
	if len(handles) != 1 {
		return nil, fmt.Errorf("%d workspaces instead of one", len(handles))
	}
	var set keys.Set
	err = db.Read(ctx, handles[0], func(tx *tenancy.Tx) error {
		set, err = keys.LoadAll(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	signer, err := newSigner(set.Active.Key, set.Active.KID)
	return &tokenSigner{signer}, err
}

// sign makes new tokens with the claims of one that the gateway issued; for
// strangers each has a subject of its own.
func (s *tokenSigner) sign(ctx context.Context, like string, n int, strangers bool) ([]string, error) {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(like, ".")[1])
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	out := make([]string, n)
	workers := runtime.NumCPU()
	failed := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var claims map[string]any
			if failed[w] = json.Unmarshal(payload, &claims); failed[w] != nil {
				return
			}
			for _, name := range []string{"iat", "exp"} {
				claims[name] = int64(claims[name].(float64)) //nolint:errcheck,forcetypeassert // numbers of our own
			}
			for i := w; i < n && failed[w] == nil && ctx.Err() == nil; i += workers {
				claims["jti"] = ids.New("at")
				if strangers {
					claims["sub"] = ids.New("acc")
				}
				out[i], failed[w] = jwt.Signed(s.signer).Claims(claims).Serialize()
			}
		})
	}
	wg.Wait()
	return out, errors.Join(ctx.Err(), errors.Join(failed...))
}
