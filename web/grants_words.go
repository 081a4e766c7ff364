package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
)

// grantLive says where a grant stands, what that means and what helps.
func grantLive(g grants.Grant, p profiles.Profile, person string, v Visit) pages.GrantLive {
	live := pages.GrantLive{Tone: stateNames[g.State].Tone, Title: stateNames[g.State].Text, Text: g.ReasonText}
	switch g.State {
	case grants.StateConnected:
		live.Text = "It works. " + holds(g)
		if g.RefreshedAt != nil {
			live.Text += " It was last refreshed at " + moment(*g.RefreshedAt).Text + " UTC."
		}
		if g.SuspectAt != nil {
			live.Tone = pages.ToneWarn
			live.Next = "A runtime refused its token at " + moment(*g.SuspectAt).Text + " UTC. It is refreshed once before its person is asked."
		}
	case grants.StateRefreshing:
		live.Text = "The provider is being asked for a new token now."
	case grants.StateRefreshFailing:
		live.Text = cmp.Or(g.ReasonText, "The provider does not refresh it now.") + " " + holds(g)
		live.Next = failedTries(g) + " The grant is kept."
		if g.Reason == "misconfigured" {
			live.Next += " Correct the client of " + p.Name + " on the profile's page."
		}
	case grants.StateNeedsReconnect:
		live.Title = person + " has to connect again"
		live.Next = "Only " + person + " can do that: on their own page of this workspace, or by the link in the answer to their next call."
	case grants.StateRevoked:
		live.Next = "The next call that needs it asks " + person + " to connect again."
	case grants.StateNone:
	}
	return live
}

// holds says how long the access token works.
func holds(g grants.Grant) string {
	if g.ExpiresAt == nil {
		return "Its token does not end by itself."
	}
	return "Its token holds until " + moment(*g.ExpiresAt).Text + " UTC."
}

func failedTries(g grants.Grant) string {
	words := count(int64(g.Failures), "try") + " failed in a row."
	if g.Failures != 1 {
		words = grouped(int64(g.Failures)) + " tries failed in a row."
	}
	if g.RefreshDueAt != nil {
		words += " The next is due at " + moment(*g.RefreshDueAt).Text + " UTC."
	}
	return words
}

func grantFacts(g grants.Grant) []pages.Pair {
	facts := []pages.Pair{
		{Term: "Account at the provider", Value: g.AccountName},
		{Term: "Its id there", Value: g.AccountID, Mono: true},
		{Term: "Person", Value: g.Subject, Mono: true},
		{Term: "Refresh tokens", Value: rotation(g)},
		{Term: "Client of the profile", Value: "generation " + strconv.Itoa(g.ClientGeneration)},
		{Term: "Grant", Value: g.ID, Mono: true},
	}
	return slices.DeleteFunc(facts, func(p pages.Pair) bool { return p.Value == "" })
}

func rotation(g grants.Grant) string {
	switch {
	case !g.Refreshable && (g.State == grants.StateRevoked || g.State == grants.StateNeedsReconnect):
		return "none any more"
	case !g.Refreshable:
		return "the provider gave none"
	case g.Rotates == "yes":
		return "a new one with each refresh"
	case g.Rotates == "no":
		return "the same one stays"
	}
	return "not known before the first refresh"
}

// grantSteps are the facts of a grant in time.
func grantSteps(g grants.Grant, now time.Time) []pages.GrantStep {
	var out []pages.GrantStep
	add := func(t *time.Time, past, coming, note string, failed bool) {
		if t == nil {
			return
		}
		step := pages.GrantStep{Text: coming, At: moment(*t), Note: note, Past: !t.After(now), Failed: failed}
		if step.Past {
			step.Text = past
		}
		out = append(out, step)
	}
	add(&g.ConnectedAt, "Connected", "", cmp.Or(g.AccountName, g.AccountID), false)
	add(g.RefreshedAt, "Refreshed", "", "", false)
	add(g.UsedAt, "Used", "", "To the hour.", false)
	add(g.SuspectAt, "A runtime refused its token", "", "", true)
	living := g.State != grants.StateRevoked && g.State != grants.StateNeedsReconnect
	if living {
		note := ""
		if g.Failures > 0 {
			note = "After " + count(int64(g.Failures), "failure") + " in a row."
		}
		add(g.RefreshDueAt, "A refresh was due", "Next refresh", note, false)
		add(g.ExpiresAt, "The access token ended", "The access token ends", "", false)
		add(g.RefreshExpiresAt, "The refresh token ended", "The refresh token ends", "Then only the person can renew it.", false)
	} else {
		add(&g.UpdatedAt, stateNames[g.State].Text, "", g.ReasonText, g.State == grants.StateNeedsReconnect)
	}
	slices.SortStableFunc(out, func(a, b pages.GrantStep) int { return strings.Compare(a.At.ISO, b.At.ISO) })
	return out
}

var neededFor = map[string]string{
	profiles.NeededForNothing:    "Not needed",
	profiles.NeededForCalls:      "Needed for calls",
	profiles.NeededForEverything: "Needed for every request",
}

func grantRuntimes(o oneGrant, v Visit) []pages.GrantRuntime {
	var out []pages.GrantRuntime
	for _, a := range o.attachments {
		i := slices.IndexFunc(o.runtimes, func(n upstreams.Name) bool { return n.ID == a.UpstreamID })
		if i < 0 {
			continue
		}
		r := pages.GrantRuntime{Name: o.runtimes[i].Name, Href: v.path("runtimes", o.runtimes[i].Slug), Needs: neededFor[a.NeededFor]}
		missing := slices.DeleteFunc(slices.Clone(a.Scopes), func(s string) bool { return slices.Contains(o.grant.Scopes, s) })
		if len(missing) > 0 && o.profile.Kind == profiles.KindOAuth && o.grant.State != grants.StateRevoked {
			r.Missing = "The grant lacks " + strings.Join(missing, ", ") + ": the next call asks for it."
		}
		out = append(out, r)
	}
	return out
}

// attachedNames are the names of the runtimes that attachments are of.
func attachedNames(list []profiles.Attachment, names []upstreams.Name) []string {
	var out []string
	for _, a := range list {
		for _, n := range names {
			if n.ID == a.UpstreamID {
				out = append(out, n.Name)
			}
		}
	}
	return out
}

// revokeImpact says what happens when one grant is revoked.
func revokeImpact(o oneGrant) []string {
	lines := []string{o.called() + "'s tokens for " + o.profile.Name + " are deleted here at once, and no call uses them any more within seconds."}
	if runtimes := attachedNames(o.attachments, o.runtimes); len(runtimes) > 0 {
		lines = append(lines, "Calls of "+together(runtimes)+" that need the account ask "+o.called()+" to connect again.")
	}
	return append(lines, atProvider(o.profile))
}

// atProvider says what becomes of the tokens at their provider.
func atProvider(p profiles.Profile) string {
	switch {
	case p.Kind == profiles.KindAPIKey:
		return "The keys for " + p.Name + " that people typed in work there until their owners end them."
	case p.Kind == profiles.KindExchange:
		return "Tokens of " + p.Name + " expire by themselves, and the next call gets a new one."
	case p.Endpoints().Revocation == "" && p.Settings.Style.RevokeWith != "github":
		return p.Name + " has no way to take tokens back (RFC 7009): they work there until they expire. Replace the client there to end them sooner."
	}
	return p.Name + " is told to take the tokens back. Where it does not answer, it is asked again for a day."
}

// listed puts names into a sentence; of many, the first few.
func together(names []string) string {
	slices.Sort(names)
	names = slices.Compact(names)
	const shown = 4
	switch n := len(names); {
	case n > shown+1:
		return strings.Join(names[:shown], ", ") + " and " + strconv.Itoa(n-shown) + " more runtimes"
	case n > 1:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
