package grants

import (
	"hash/fnv"
	"strconv"
	"time"
)

// The ladder of a refresh: the provider's answer, and every first try to store it, come
// before the lease ends, and whoever waits for the lease waits longer than it lasts.
const (
	callTimeout = 5 * time.Second
	leaseLife   = 15 * time.Second
	waitLimit   = 18 * time.Second
)

const (
	// A token is refreshed early by a tenth of its life, within these bounds.
	minMargin = 5 * time.Second
	maxMargin = 5 * time.Minute
	// A token is not handed out in the last moments of its life: a call takes time.
	minSkew = 500 * time.Millisecond
	maxSkew = 10 * time.Second
	// idleAfter is how long a grant may be unused before it is refreshed only to keep
	// it alive, every keepAlive where its profile says nothing else.
	idleAfter = 24 * time.Hour
	keepAlive = 24 * time.Hour
	// usedEvery is how coarsely the last use is written.
	usedEvery = time.Hour
	// warnBefore is how long before a known end of the refresh token people are told.
	warnBefore = 7 * 24 * time.Hour
	// A failed refresh is tried again after minBackoff, doubled each time up to maxBackoff.
	minBackoff = time.Second
	maxBackoff = 5 * time.Minute
)

// life is how long the current access token lives in all; 0 where it does not end.
func (r grantRow) life() time.Duration {
	if r.ExpiresAt == nil {
		return 0
	}
	since := r.ConnectedAt
	if r.RefreshedAt != nil && r.RefreshedAt.After(since) {
		since = *r.RefreshedAt
	}
	return max(0, r.ExpiresAt.Sub(since))
}

// inTime tells whether the access token may still be used, with that much to spare.
func (r grantRow) inTime(now time.Time, spare time.Duration) bool {
	return len(r.AccessToken) > 0 && (r.ExpiresAt == nil || now.Add(spare).Before(*r.ExpiresAt))
}

// skew is how much of the token's life is not used.
func (r grantRow) skew() time.Duration {
	return min(max(r.life()/10, minSkew), maxSkew)
}

// due is when the queue refreshes the grant; nil where there is nothing to refresh, or
// no need to. The same row gives the same time however often it is asked: grants that
// were made at one moment drift apart by the jitter.
func (r grantRow) due(now time.Time, keep time.Duration) *time.Time {
	if len(r.RefreshToken) == 0 || !r.usable() {
		return nil
	}
	since := r.ConnectedAt
	if r.RefreshedAt != nil {
		since = *r.RefreshedAt
	}
	if keep <= 0 {
		keep = keepAlive
	}
	at := since.Add(keep - r.jitter(keep/8))
	if r.ExpiresAt != nil && r.active(now) {
		margin := min(max(r.life()/10, minMargin), maxMargin)
		early := r.ExpiresAt.Add(-margin - r.jitter(margin/2))
		if early.Before(at) {
			at = early
		}
	}
	// A refresh token whose end is known is renewed in time, where the provider renews it.
	if r.RefreshExpiresAt != nil && r.Rotates != "no" {
		last := since.Add(r.RefreshExpiresAt.Sub(since) / 2)
		if last.Before(at) {
			at = last
		}
	}
	at = at.Truncate(time.Microsecond)
	return &at
}

// active tells whether somebody asked for the grant lately.
func (r grantRow) active(now time.Time) bool {
	used := r.ConnectedAt
	if r.UsedAt != nil && r.UsedAt.After(used) {
		used = *r.UsedAt
	}
	return now.Sub(used) < idleAfter
}

// jitter is a part of most that belongs to this grant's token set.
func (r grantRow) jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(r.ID + strconv.FormatInt(r.Generation, 10)))
	// Databases keep microseconds.
	return time.Duration(sum.Sum64() % uint64(most)).Truncate(time.Microsecond) //nolint:gosec // most is positive
}

// backoff is the pause after that many failures in a row, with jitter.
func (r grantRow) backoff(failures int) time.Duration {
	pause := doubled(minBackoff, failures, maxBackoff)
	r.Generation += int64(failures) // every failure has a jitter of its own
	return pause + r.jitter(pause/2)
}

func doubled(first time.Duration, times int, most time.Duration) time.Duration {
	pause := first
	for range min(times-1, 30) {
		pause = min(2*pause, most)
	}
	return pause
}
