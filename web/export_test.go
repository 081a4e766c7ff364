package web

import (
	"time"

	"github.com/labstack/echo/v4"
)

// SetBodyTime shortens what a body may take to arrive.
func SetBodyTime(k *Console, d time.Duration) { k.bodyTime = d }

// RouterRoutes is what the router itself knows.
func RouterRoutes(k *Console) []string {
	var out []string
	for _, r := range k.echo.Routes() {
		out = append(out, r.Method+" "+r.Path)
	}
	return out
}

// FailAt adds a route that fails with the error, or panics where it is nil.
func FailAt(k *Console, path string, err error) {
	k.echo.GET(path, func(echo.Context) error {
		if err == nil {
			panic("boom canary-cause")
		}
		return err
	})
}

// ScopeID and ClientKey stand for a scope and a client in addresses.
var (
	ScopeID   = scopeID
	ClientKey = clientKey
)
