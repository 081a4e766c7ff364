package probe

import (
	"context"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// checkLists counts the prompts and the resources, where they are offered. Neither decides anything: the
// gateway passes them on as they are.
func (r *run) checkLists(ctx context.Context, e *endpoint) {
	r.report.Prompts = r.checkList(ctx, e, StepPrompts, "prompt")
	r.report.Resources = r.checkList(ctx, e, StepResources, "resource")
}

func (r *run) checkList(ctx context.Context, e *endpoint, step, noun string) int {
	member := noun + "s"
	if !slices.Contains(r.report.Capabilities, member) {
		r.skip(step, "Not offered.")
		return 0
	}
	r.begin(step)
	n, a := e.count(ctx, member)
	if a != nil {
		words, next := r.explain(a)
		r.step(step, StatusWarn, r.since(), "The "+member+" are offered and cannot be listed. "+words, next)
		return 0
	}
	r.step(step, StatusOK, r.since(), capital(plural(n, noun))+" listed.", "")
	return n
}

// count counts what member/list gives over all pages, at most MaxPages. It returns the answer that was
// none, if there is one.
func (e *endpoint) count(ctx context.Context, member string) (int, *answer) {
	n, members := 0, ""
	for range MaxPages {
		a := e.call(ctx, member+"/list", members)
		if !a.ok() {
			return n, a
		}
		var result map[string]jsontext.Value
		var items []jsontext.Value
		var cursor string
		if json.Unmarshal(a.result, &result) != nil || json.Unmarshal(result[member], &items) != nil {
			a.result, a.problem = nil, "a list of "+member+" that does not have the form of one"
			return n, a
		}
		n += len(items)
		// A cursor that is no string ends the list, as none does.
		_ = json.Unmarshal(result["nextCursor"], &cursor)
		quoted, err := jsontext.AppendQuote(nil, cursor)
		if err != nil || cursor == "" || len(cursor) > maxCursor {
			return n, nil
		}
		members = `,"cursor":` + string(quoted)
	}
	return n, nil
}
