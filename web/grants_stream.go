package web

import (
	"bytes"
	"context"
	"fmt"

	"github.com/a-h/templ"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
)

// grantTopic sends where a grant stands whenever that looks different.
type grantTopic struct {
	console *Console
	visit   Visit
	id      string
	last    []byte
}

func (t *grantTopic) hears(tenant string) []tenancy.Topic {
	return []tenancy.Topic{tenancy.GrantsTopic(tenant)}
}

func (t *grantTopic) restless() bool { return true } // a lease ends by time alone

func (t *grantTopic) update(ctx context.Context) ([]byte, error) {
	o, err := t.console.oneGrant(ctx, t.visit, t.id)
	if err != nil {
		return nil, err
	}
	return different(ctx, pages.GrantStatus(grantLive(o.grant, o.profile, o.called(), t.visit)), &t.last)
}

// batchTopic sends how far a mass revoke is. What providers answer comes without a
// notice.
type batchTopic struct {
	console *Console
	visit   Visit
	id      string
	last    []byte
}

func (t *batchTopic) hears(tenant string) []tenancy.Topic {
	return []tenancy.Topic{tenancy.GrantsTopic(tenant)}
}

func (t *batchTopic) restless() bool { return true }

func (t *batchTopic) update(ctx context.Context) ([]byte, error) {
	f, err := t.console.findBatch(ctx, t.visit, t.id)
	if err != nil {
		return nil, err
	}
	return different(ctx, pages.BatchStatus(t.console.batchLive(f, t.visit)), &t.last)
}

// different is the component as a message, where it is not what was sent last.
func different(ctx context.Context, component templ.Component, last *[]byte) ([]byte, error) {
	var fragment bytes.Buffer
	if err := component.Render(ctx, &fragment); err != nil {
		return nil, fmt.Errorf("render update: %w", err)
	}
	if bytes.Equal(fragment.Bytes(), *last) {
		return nil, nil
	}
	*last = fragment.Bytes()
	return message("", fragment.String()), nil
}
