package web

import (
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/ui/pages"
)

// settingsShell says why a person may only look at a page of settings.
func settingsShell(shell pages.Shell, v Visit) pages.Shell {
	shell.ReadOnly = ""
	if !authz.Allow(v.Member.Role, authz.WriteSettings) {
		shell.ReadOnly = roleTooLow(v, authz.WriteSettings)
	}
	return shell
}

func settingsValues(s settings.Settings) pages.AuthorizationValues {
	seconds := func(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
	return pages.AuthorizationValues{
		CIMD: string(s.CIMD), DCR: string(s.DCR), DCRHosts: strings.Join(s.DCRHosts, "\n"), Review: s.Review,
		Access: seconds(s.Access), RefreshIdle: seconds(s.RefreshIdle), Family: seconds(s.Family), DPoP: string(s.DPoP), PAR: string(s.PAR),
		ClientCredentials: s.ClientCredentials, Device: s.Device, RememberConsent: s.RememberConsent, SigningAlg: s.SigningAlg,
		Version: strconv.FormatInt(s.Version, 10),
	}
}

func keyRow(info keys.Info) pages.SigningKeyRow {
	row := pages.SigningKeyRow{KID: info.KID, Alg: info.Alg, Published: moment(info.CreatedAt), Until: moment(info.Until)}
	switch info.State {
	case keys.Next:
		row.State, row.Means = pages.Badge{Tone: pages.ToneInfo, Text: "Next"}, "published; signs from"
	case keys.Active:
		row.State, row.Means = pages.Badge{Tone: pages.ToneOK, Text: "Active"}, "signs; replaced about"
	case keys.Retired:
		row.State, row.Means = pages.Badge{Tone: pages.ToneNeutral, Text: "Retired"}, "verifies what it signed; gone after"
	}
	return row
}
