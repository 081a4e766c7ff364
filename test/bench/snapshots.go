package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/url"
	"runtime"
	"time"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/secret"
)

// knownTenants is how many tenants the edge is told of.
const knownTenants = 100_000

// snapshots measures the edge's view of many tenants. Clients are not in it.
func (b *bench) snapshots(context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	before := liveHeap()
	begun := time.Now()
	tenants := make([]*snapshot.Tenant, knownTenants)
	for i := range tenants {
		tenants[i] = knownTenant(i, key)
	}
	known := snapshot.NewStore()
	known.Replace(time.Now(), tenants)
	b.report.atMost("100,000 tenants in a snapshot: build, without the database (s)", time.Since(begun).Seconds(), 20, "%.2f")
	held := liveHeap() - before
	b.report.atMost("100,000 tenants in a snapshot: memory (MiB)", float64(held)/(1<<20), 800, "%.0f")
	var updates []float64
	for i := range b.rounds {
		next := *tenants[i]
		at := time.Now()
		known.Put(at, next.ID, &next)
		updates = append(updates, float64(time.Since(at).Microseconds())/1000)
	}
	b.report.atMost("100,000 tenants in a snapshot: one tenant published anew (ms)", median(updates), 50, "%.1f")
	runtime.KeepAlive(tenants)
	return nil
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func knownTenant(i int, key *ecdsa.PrivateKey) *snapshot.Tenant {
	origin := fmt.Sprintf("https://tenant-%d.mcp.example.com", i)
	kid := ids.New("kid")
	private := *key // each has a key of its own; only making it would take long
	return &snapshot.Tenant{
		ID: ids.New("tnt"), Slug: fmt.Sprintf("tenant-%d", i), Name: fmt.Sprintf("Tenant %d", i), Issuer: origin, Origins: []string{origin},
		Keys: map[string]crypto.PublicKey{kid: &private.PublicKey}, Signer: snapshot.Signer{KID: kid, Key: &private}, Revoked: map[string]struct{}{},
		Edges: map[string]*snapshot.Edge{"crm": {
			ID: ids.New("ups"), Slug: "crm", Name: "CRM", Resource: origin + "/crm/mcp", MetadataURL: origin + "/.well-known/oauth-protected-resource/crm/mcp",
			Upstream: &url.URL{Scheme: "https", Host: fmt.Sprintf("runtime-%d.example.com", i), Path: "/mcp"}, WorkerSecret: secret.New(ids.Secret("emc_ws")), Scopes: []string{"mcp"},
		}},
	}
}
