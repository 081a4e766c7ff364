package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/usage"
	"github.com/emcy/gateway/usage/event"
)

const (
	benchOrigin = "http://bench.test"
	benchHost   = "bench.test"
	// tokenPath is where the role of an edge hands out a token.
	tokenPath = "/token"
)

// discard is the recorder of an edge that records nothing.
type discard struct{}

func (discard) Record(event.Event) {}

// edgeRole is the product's edge in a process without anything else, so that its
// recorder can be left out and its memory be asked for.
func edgeRole(ctx context.Context, flags *flag.FlagSet, args []string) (http.Handler, func() error, error) {
	to := flags.String("to", "", "the runtime's address")
	database := flags.String("db", "", "where events go: a database's URL, sqlite, or nowhere")
	dir := flags.String("dir", "", "folder for the database and the spool")
	if err := flags.Parse(args); err != nil {
		return nil, nil, err
	}
	tenant, end := ids.New("tnt"), func() error { return nil }
	var recorder edge.Recorder = discard{}
	if *database != "" {
		s, err := openStore(ctx, *database, *dir)
		if err != nil {
			return nil, nil, err
		}
		kept, err := usage.New(usage.Config{DB: s.db, Dir: filepath.Join(*dir, "spool"), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, nil, err
		}
		if err := kept.Start(); err != nil {
			return nil, nil, err
		}
		recorder, tenant = kept, s.tenant
		end = func() error {
			err := kept.Stop(context.WithoutCancel(ctx)) // the signal that ends the role has ended ctx
			if kept.Dropped() > 0 {
				err = errors.Join(err, fmt.Errorf("%d events were lost", kept.Dropped()))
			}
			return errors.Join(err, s.db.Close())
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	store := snapshot.NewStore()
	store.Replace(time.Now(), []*snapshot.Tenant{benchTenant(tenant, *to, key)})
	front, err := edge.New(edge.Config{
		Snapshots: store, Auth: func(http.ResponseWriter, *http.Request, *snapshot.Tenant) {},
		Transport: outbound.New(outbound.Config{AllowPrivate: true}).Relay(outbound.TransportOptions{}),
		Recorder:  recorder, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Via: "emcy-bench",
	})
	if err != nil {
		return nil, nil, err
	}
	front.Start()
	token, err := benchToken(key)
	if err != nil {
		return nil, nil, err
	}
	handler := front.Handler("http")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == tokenPath {
				_, _ = io.WriteString(w, token) // the parent sees what is missing
				return
			}
			handler.ServeHTTP(w, r)
		}), func() error {
			front.Stop()
			return end()
		}, nil
}

func benchTenant(id, upstream string, key *ecdsa.PrivateKey) *snapshot.Tenant {
	t := &snapshot.Tenant{
		ID: id, Slug: "bench", Name: "Bench", Issuer: benchOrigin, Origins: []string{benchOrigin},
		Keys: map[string]crypto.PublicKey{"bench": &key.PublicKey}, Signer: snapshot.Signer{KID: "bench", Key: key},
		Edges: map[string]*snapshot.Edge{}, Revoked: map[string]struct{}{},
	}
	for slug, path := range map[string]string{"json": pathJSON, "sse": pathSSE, "idle": pathIdle} {
		t.Edges[slug] = &snapshot.Edge{
			ID: "ups_" + slug, Slug: slug, Name: slug, Resource: benchOrigin + path, MetadataURL: benchOrigin + "/.well-known/oauth-protected-resource" + path,
			Upstream: &url.URL{Scheme: "http", Host: upstream, Path: path}, WorkerSecret: secret.New("worker-secret-of-the-bench"), Scopes: []string{authz.ScopeMCP},
		}
	}
	return t
}

// benchToken is good for every runtime of the bench's tenant.
func benchToken(key *ecdsa.PrivateKey) (string, error) {
	signer, err := newSigner(key, "bench")
	if err != nil {
		return "", err
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(map[string]any{
		"iss": benchOrigin, "sub": ids.New("acc"), "aud": []string{benchOrigin + pathJSON, benchOrigin + pathSSE, benchOrigin + pathIdle},
		"client_id": ids.New("cli"), "scope": "mcp", "jti": ids.New("at"), "fid": ids.New("fam"), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}).Serialize()
}

// edgeTarget is an edge role with the token for it.
type edgeTarget struct {
	*role
	token string
}

func startEdge(ctx context.Context, upstream, database, dir string) (*edgeTarget, error) {
	r, err := startRole(ctx, "edge", "-to", upstream, "-db", database, "-dir", dir)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.addr+tokenPath, http.NoBody)
	if err != nil {
		return nil, errors.Join(err, r.stop())
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, errors.Join(err, r.stop())
	}
	defer func() { _ = resp.Body.Close() }()
	token, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return &edgeTarget{r, string(token)}, nil
}

func (e *edgeTarget) target(name, path string) target {
	return target{name: name, child: e.child, addr: e.addr, script: calls(benchHost, path, e.token)}
}
