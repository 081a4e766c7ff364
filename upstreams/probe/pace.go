package probe

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/emcy/gateway/internal/mcpwire"
)

const (
	// samples is how many requests the latency is measured with.
	samples = 5
	// sampling ends the measuring early where each of them takes long.
	sampling = 4 * time.Second
)

// checkPace measures how fast small requests are answered, and looks at how long the others took and at
// the runtime's clock.
func (r *run) checkPace(ctx context.Context, e *endpoint, first *answer) {
	slowest := slices.Max(e.took)
	r.begin(StepLatency)
	took := r.sample(ctx, e)
	if len(took) == 0 {
		r.step(StepLatency, StatusWarn, r.since(), "The latency could not be measured: the runtime stopped answering.", "Probe again.")
	} else {
		slices.Sort(took)
		slowest = max(slowest, took[len(took)-1])
		median := took[len(took)/2]
		r.report.LatencyMS = median.Milliseconds()
		words := "Median of " + plural(len(took), "small request") + ": " + rounded(median) + "."
		status, next := StatusOK, ""
		if slowest > slowAnswer {
			status, words, next = StatusWarn, words+" The slowest answer of all took "+rounded(slowest)+".",
				"Look at what keeps the runtime busy, or bring it closer to the gateway."
		}
		r.step(StepLatency, status, r.since(), words, next)
	}
	if slowest > slowAnswer {
		r.report.warn(WarnSlow, "an answer took "+rounded(slowest)+": clients give up early, and users before them")
	}
	r.checkClock(first)
}

// sample asks something small, one request after the other. What is asked does not matter, and neither
// does what is answered, as long as it is not that there were too many requests.
func (r *run) sample(ctx context.Context, e *endpoint) []time.Duration {
	method := "ping"
	if e.modern {
		method = mcpwire.MethodDiscover // 2026-07-28 has no ping
	}
	var took []time.Duration
	for start := time.Now(); len(took) < samples && time.Since(start) < sampling; {
		a := e.call(ctx, method, "")
		if a.err != nil || !a.failed && a.status >= http.StatusBadRequest {
			break
		}
		took = append(took, a.took)
	}
	return took
}

func (r *run) checkClock(first *answer) {
	date, err := http.ParseTime(first.header.Get("Date"))
	if err != nil {
		return
	}
	if skew := r.prober.clock.Now().Sub(date).Abs(); skew > clockTolerance {
		r.report.warn(WarnClock, "the runtime's clock is "+skew.Round(time.Second).String()+" off: it will find signed assertions expired")
	}
}

func rounded(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "less than 1 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	default:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
}
