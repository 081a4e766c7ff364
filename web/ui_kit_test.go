package web_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/ui/stories"
	"github.com/emcy/gateway/web"
)

func TestUIKitIsThereWhereItIsDeveloped(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	got := b.send(t, nil, "GET", "/ui-kit", nil, nil)
	require.Equal(t, http.StatusOK, got.status)
	for _, piece := range stories.Kit(stories.Plain) {
		require.Contains(t, got.body, `id="`+piece.ID+`"`)
	}
	shown := 0
	for _, screen := range stories.Screens("", stories.Plain) {
		want := http.StatusOK
		if screen.Fragment {
			want = http.StatusNotFound
		} else {
			require.Contains(t, got.body, `href="/ui-kit/`+screen.Name+`"`)
			shown++
		}
		require.Equal(t, want, b.send(t, nil, "GET", "/ui-kit/"+screen.Name, nil, nil).status, screen.Name)
	}
	require.Greater(t, shown, 30)
	require.Equal(t, http.StatusNotFound, b.send(t, nil, "GET", "/ui-kit/console/nothing", nil, nil).status)
}

func TestUIKitIsNotThereElsewhere(t *testing.T) {
	t.Parallel()
	for _, public := range []string{"https://console.example.com", "http://10.0.0.7:8080", "https://localhost:8443"} {
		b := setup(t, tenancytest.SQLite(t), func(c *web.Config) { c.PublicURL = public })
		for _, r := range b.console.Routes() {
			require.NotContains(t, r.Path, "ui-kit", public)
		}
		at, err := url.Parse(b.console.Origin())
		require.NoError(t, err)
		for _, path := range []string{"/ui-kit", "/ui-kit/console/runtime"} {
			got := b.send(t, nil, "GET", path, nil, http.Header{"Host": {at.Host}})
			require.NotEqual(t, http.StatusOK, got.status, "%s%s", public, path)
			require.NotContains(t, got.body, "UI kit")
		}
	}
}
