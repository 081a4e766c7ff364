package web

import (
	"cmp"
	"strconv"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/ui/pages"
)

// massImpact says what happens when a set of grants is revoked.
func massImpact(w whole) []string {
	lines := []string{count(int64(w.grants), "grant") + yes(w.grants == 1, " is", " are") + " revoked here at once, and no call uses them any more within seconds."}
	if len(w.runtimes) > 0 {
		lines = append(lines, "Calls of "+together(w.runtimes)+" that need such an account ask their people to connect again.")
	}
	for _, p := range w.profiles {
		lines = append(lines, atProvider(p))
	}
	return lines
}

func revokeChoices(list []profiles.Profile, counts map[string]int, v Visit) []pages.RevokeChoice {
	var out []pages.RevokeChoice
	total := 0
	for _, p := range list {
		total += counts[p.ID]
		out = append(out, pages.RevokeChoice{Name: p.Name, Count: count(int64(counts[p.ID]), "grant"), Href: v.path("grants", "revoke") + "?profile=" + p.ID, Empty: counts[p.ID] == 0})
	}
	return append([]pages.RevokeChoice{{Name: "The whole workspace", Count: count(int64(total), "grant"), Href: v.path("grants", "revoke") + "?all=1", Empty: total == 0}}, out...)
}

// batchBadge says how far a run is.
func batchBadge(b grants.Batch) pages.Badge {
	switch {
	case b.ListedAt == nil:
		return pages.Badge{Tone: pages.ToneInfo, Text: "Revoking"}
	case b.Pending > 0:
		return pages.Badge{Tone: pages.ToneInfo, Text: "Telling providers"}
	case b.Failed > 0:
		return pages.Badge{Tone: pages.ToneWarn, Text: "Ended with failures"}
	}
	return pages.Badge{Tone: pages.ToneOK, Text: "Done"}
}

func batchLive(f batchFound) pages.BatchLive {
	b := f.batch
	ended := b.Done + b.Failed + b.Unsupported
	told := ended + b.Pending
	live := pages.BatchLive{State: batchBadge(b), Progress: 1000, ProgressText: grouped(int64(ended)) + " of " + grouped(int64(told))}
	if told > 0 {
		live.Progress = ended * 1000 / told
	}
	if told == 0 {
		live.ProgressText = "no provider has to be told"
	}
	n := func(x int) string { return grouped(int64(x)) }
	for _, r := range f.report {
		row := pages.BatchProvider{Name: f.profiles.of(r.ProfileID), Total: n(r.Total), Done: n(r.Done), Unsupported: n(r.Unsupported), Failed: n(r.Failed), Pending: n(r.Pending)}
		if r.Unsupported > 0 {
			row.Note = "It has no way to take tokens back: they work there until they expire."
		}
		live.Providers = append(live.Providers, row)
	}
	for i, r := range f.problems {
		if i == problemsShown {
			live.More = "More of them are in the CSV file."
			break
		}
		row := pages.BatchProblem{
			Person: calledOf(r.Subject, f.people[r.Subject]), Profile: f.profiles.of(r.ProfileID), Error: r.Error, Tries: tries(r.Attempts),
			State: pages.Badge{Tone: pages.ToneFail, Text: "Failed"},
		}
		if r.State == "pending" {
			row.State = pages.Badge{Tone: pages.ToneInfo, Text: "Tried again at " + moment(r.NextAt).Text + " UTC"}
		}
		live.Problems = append(live.Problems, row)
	}
	return live
}

func tries(n int) string { return strconv.Itoa(n) + yes(n == 1, " try", " tries") }

func startedBy(actor string, names map[string]string) string {
	return cmp.Or(names[actor], map[string]string{"system:": "the operator"}[actor[:min(len(actor), 7)]], actor)
}

func batchFacts(b grants.Batch, names map[string]string) []pages.Pair {
	facts := []pages.Pair{
		{Term: "Reason", Value: b.Reason},
		{Term: "Begun by", Value: startedBy(b.StartedBy, names)},
		{Term: "Grants revoked here", Value: grouped(int64(b.Total))},
	}
	if silent := b.Total - b.Done - b.Failed - b.Unsupported - b.Pending; silent > 0 {
		facts = append(facts, pages.Pair{Term: "Without a provider to tell", Value: grouped(int64(silent)) + ": keys that people typed in, and grants without a token"})
	}
	if b.FinishedAt != nil {
		facts = append(facts, pages.Pair{Term: "Ended", Value: moment(*b.FinishedAt).Text + " UTC"})
	}
	return facts
}
