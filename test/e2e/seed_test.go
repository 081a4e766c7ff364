//go:build e2e

package e2e

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/oidc"
)

// seedLife is how long the Todo API's access tokens live in the seed story: the queue
// renews one early, once, between 30 and 54 seconds after it was made, and 63 seconds
// after that a call needs the renewed one.
const seedLife = 60 * time.Second

// seed is the configuration of seed.mjs.
type seed struct {
	Chromium  string       `json:"chromium"`
	Artifacts string       `json:"artifacts"`
	MCPURL    string       `json:"mcpURL"`
	Ledger    string       `json:"ledger"`
	LifeMS    int64        `json:"lifeMS"`
	People    []seedPerson `json:"people"`
}

// seedPerson signs in at the workspace, with a password or at its provider, and at the
// Todo API under another name.
type seedPerson struct {
	Login    string  `json:"login"`
	Password string  `json:"password"`
	Member   *person `json:"member,omitempty"`
	Provider string  `json:"provider,omitempty"`
	Todo     string  `json:"todo"`
}

// TestSeedStory is why teams buy a gateway: a runtime in front of an API that has an OAuth
// server of its own. Each user connects once, in a browser, from the official client; the
// runtime gets that user's token; the token's end is nothing that anybody notices; and
// nobody sees another's todos.
func TestSeedStory(t *testing.T) {
	t.Parallel()
	for _, db := range databases {
		t.Run(string(db), func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, db, freePorts(t, 4))
			todo := newTodoAPI(t, "TODO_ACCESS_SECONDS="+strconv.Itoa(int(seedLife/time.Second)))
			h := &house{t: t, gateway: g, slug: "seed"}
			h.owner = httpflow.NewPerson(g.Console, "Ana Ferreira", nil)
			require.NoError(t, h.owner.SignUp(t.Context()))
			require.NoError(t, h.owner.CreateWorkspace(t.Context(), "Seed", h.slug))
			runtime := newExample(t, fastMCP)
			h.addRuntime("http://127.0.0.1:" + strconv.Itoa(runtime.Port) + "/mcp")
			runtime.start(t, map[string]string{"EMCY_WORKER_SHARED_SECRET": h.runtime.Secret, "TODO_API_URL": todo.Issuer})
			profile, err := h.owner.NewProfile(t.Context(), h.slug, httpflow.ProfileForm{
				Name: "Todo", Issuer: todo.Issuer, ClientID: todoClientID, ClientSecret: todoClientSecret,
				Scopes: []string{"openid", "profile", "email", "offline_access", "todos:read", "todos:write"},
			}, func(callback string) { todo.setRedirect(callback) })
			require.NoError(t, err)
			require.NoError(t, h.owner.Attach(t.Context(), h.runtime, profile, "calls", "openid", "profile", "todos:read", "todos:write"))
			sso := oidc.New(t)
			sso.Claims = func(c map[string]any) { c["sub"], c["email"], c["name"] = "bo", "bo@example.com", "Bo Berg" }
			h.provider(sso)

			runDriver(t, "seed.mjs", seed{
				Chromium: requireProgram(t, "chromium", "chromium-browser", "google-chrome"), Artifacts: t.TempDir(), MCPURL: h.runtime.MCPURL, Ledger: todo.Issuer, LifeMS: seedLife.Milliseconds(),
				People: []seedPerson{
					{Login: "alice", Password: todoPassword, Todo: "Water the plants", Member: &person{Name: h.owner.Name, Email: h.owner.Email, Password: h.owner.Password}},
					{Login: "bob", Password: todoPassword, Todo: "Return the library books", Provider: "Acme SSO"},
				},
			})
			after := todo.ledger()
			require.Zero(t, after.Reuses)
			require.Zero(t, after.CallsRefused)
			for _, login := range []string{"alice", "bob"} {
				require.Equal(t, 1, after.People[login].Refreshes, "%s: one refresh", login)
				require.Equal(t, 1, after.People[login].Authorizations, "%s connected once", login)
			}
			require.FileExists(t, filepath.Clean(runtime.Record))
		})
	}
}
