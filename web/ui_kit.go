package web

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/httpx"
	"github.com/emcy/gateway/ui/stories"
)

// registerUIKit adds the pages on which the interface is developed: every component and every page in every state,
// with made-up data. They are there only where the console itself is on this machine.
func (k *Console) registerUIKit() {
	u, err := url.Parse(k.origin)
	if err != nil || k.secure || !httpx.IsLoopbackHost(u.Hostname()) {
		return
	}
	k.open(http.MethodGet, "/ui-kit", k.uiKit)
	k.open(http.MethodGet, "/ui-kit/*", k.uiKitScreen)
}

func (k *Console) uiKit(c echo.Context) error {
	return k.page(c, http.StatusOK, stories.Index(nonce(c), stories.Plain))
}

func (k *Console) uiKitScreen(c echo.Context) error {
	screen, ok := stories.Find(nonce(c), c.Param("*"))
	if !ok {
		return errs.E(errs.NotFound, "Not found.", nil)
	}
	return k.page(c, http.StatusOK, screen)
}
