package grants

import (
	"context"
	"errors"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/tenancy"
)

// exchange asks a provider for another token, in one of the places that refreshes have,
// and leaves it alone where it wants that or does not work, as refreshes do: calls that
// fail are not remembered otherwise, so that each of them would ask again. Errors:
// *provider.Error, errs.Unavailable.
func (s *Service) exchange(ctx context.Context, h tenancy.Handle, p profiles.Profile, config provider.Config, ask func(context.Context) (provider.Tokens, error)) (provider.Tokens, error) {
	waiting, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	release, err := s.slots.take(waiting, h.Tenant()+"/"+p.ID)
	if err != nil {
		return provider.Tokens{}, err
	}
	defer release()
	key := providerKey(config)
	failing, err := s.mayExchange(waiting, h, key)
	if err != nil {
		return provider.Tokens{}, err
	}
	calling, end := context.WithTimeout(ctx, callTimeout)
	defer end()
	tokens, err := ask(calling)
	s.noteExchange(ctx, h, key, failing, err)
	return tokens, err
}

// mayExchange refuses while the provider is left alone. failing says that something is
// held against it.
func (s *Service) mayExchange(ctx context.Context, h tenancy.Handle, key string) (failing bool, err error) {
	err = s.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		rows, err := pauseRows(tx, "provider = ?", key)
		failing = len(rows) > 0
		return err
	})
	if err == nil && failing {
		err = s.db.Write(ctx, h, func(tx *tenancy.Tx) error { return mayCall(tx, key) })
	}
	return failing, err
}

// noteExchange is best effort: the answer is there whether it can be written down or not.
func (s *Service) noteExchange(ctx context.Context, h tenancy.Handle, key string, failing bool, cause error) {
	answer, told := errors.AsType[*provider.Error](cause)
	note := func(tx *tenancy.Tx) error { return answered(tx, key) }
	switch {
	case cause == nil && !failing, cause != nil && !told:
		return
	case !told:
	case answer.Kind == provider.Limited:
		wait := limitedPause
		if answer.RetryAfter > 0 {
			wait = min(answer.RetryAfter, maxLimited)
		}
		note = func(tx *tenancy.Tx) error { return pause(tx, key, reasonLimited, wait) }
	case answer.Kind == provider.Temporary:
		note = func(tx *tenancy.Tx) error { return countFailure(tx, key) }
	case !failing:
		return // it works, whatever it says of this one
	}
	once, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := s.db.Write(once, h, note); err != nil {
		s.log.WarnContext(ctx, "how a provider exchanges tokens was not noted", "tenant_id", h.Tenant(), "error", err)
	}
}
