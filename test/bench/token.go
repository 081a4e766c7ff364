package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/emcy/gateway/test/bench/load"
)

// refresh is one client that refreshes its tokens, each time with the refresh
// token that the time before gave it.
type refresh struct {
	host, path string
	form       url.Values
}

func (r *refresh) Request() []byte {
	body := r.form.Encode()
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\n"+
		"User-Agent: bench/1\r\nContent-Length: %d\r\n\r\n%s", r.path, r.host, len(body), body)
}

func (r *refresh) Answer(status int, body []byte) error {
	var answer tokenAnswer
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || answer.AccessToken == "" || answer.RefreshToken == r.form.Get("refresh_token") {
		return fmt.Errorf("%w: %d %.300s", errUnexpected, status, body)
	}
	r.form.Set("refresh_token", answer.RefreshToken)
	return nil
}

// families is how many sign-ins a comparison of token endpoints has.
const families = 64

// token compares the token endpoint, with what it rotates and stores, and a bare
// handler that signs.
func (b *bench) token(ctx context.Context) (err error) {
	signer, err := startRole(ctx, "signer")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, signer.stop()) }()
	upstream, err := startRole(ctx, "upstream")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, upstream.stop()) }()
	address, drop, err := b.postgres(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	var gateways []target
	var clients [][]*refresh
	for _, database := range []string{"", address} {
		g, err := b.newGateway(ctx, database)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, g.stop()) }()
		s, err := g.setUp(ctx, upstream.addr, pathJSON)
		if err != nil {
			return err
		}
		list, err := s.refreshing(ctx)
		if err != nil {
			return err
		}
		clients = append(clients, list)
		gateways = append(gateways, target{name: "gateway", child: g.child, addr: s.addr, script: func(i int) load.Script { return list[i] }})
	}
	bare := target{name: "bare signer", child: signer.child, addr: signer.addr, script: func(i int) load.Script {
		one := *clients[0][i]
		one.form = url.Values{}
		for name, values := range clients[0][i].form {
			one.form[name] = values
		}
		return &one
	}}
	for _, conns := range []int{16, families} {
		found, err := b.compare(ctx, conns, bare, gateways[0], gateways[1])
		if err != nil {
			return err
		}
		for i, goal := range []float64{0.40, 0.30} {
			b.report.atLeast(fmt.Sprintf("refreshes/s to a bare signer's, %s, %d connections", []string{"SQLite", "PostgreSQL"}[i], conns),
				median(ratios(found[i+1].perSecond, found[0].perSecond)), goal, "%.2f")
		}
		b.report.figure(fmt.Sprintf("refreshes/s: bare signer, SQLite, PostgreSQL, %d connections", conns), "%.0f, %.0f, %.0f",
			median(found[0].perSecond), median(found[1].perSecond), median(found[2].perSecond))
		b.report.figure(fmt.Sprintf("CPU us a refresh: bare signer, SQLite, PostgreSQL, %d connections", conns), "%.0f, %.0f, %.0f",
			found[0].cpuPerRequest(), found[1].cpuPerRequest(), found[2].cpuPerRequest())
	}
	return nil
}

// refreshing signs in as often as there are families.
func (s *site) refreshing(ctx context.Context) ([]*refresh, error) {
	client := s.clients[pathJSON]
	endpoint, err := url.Parse(client.Server.TokenEndpoint)
	if err != nil {
		return nil, err
	}
	var out []*refresh
	for range families {
		if err := s.authorize(ctx, pathJSON); err != nil {
			return nil, err
		}
		out = append(out, &refresh{host: s.host, path: endpoint.Path, form: url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {strings.Clone(client.Tokens.RefreshToken)}, "client_id": {client.ClientID}, "resource": {client.Resource},
		}})
	}
	return out, nil
}
