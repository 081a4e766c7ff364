// Command gosdk is the official Go SDK as an MCP client with a memory: a first run
// signs in, a later one goes on with the tokens that the first one stored.
package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/emcy/gateway/test/clients/go/driver"
)

var versions = map[string]string{"legacy": "2025-11-25", "modern": "2026-07-28"}

// state is what a run leaves behind: a client and its tokens.
type state struct {
	Client *oauth2.Config `json:"client"`
	Token  *oauth2.Token  `json:"token"`
}

// source stores every token that another source comes up with.
type source struct {
	run    *driver.Run
	client *oauth2.Config
	from   oauth2.TokenSource
}

func (s *source) Token() (*oauth2.Token, error) {
	token, err := s.from.Token()
	if err != nil {
		return nil, err
	}
	return token, s.run.Store(state{Client: s.client, Token: token})
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	run := driver.Start()

	var session *mcp.ClientSession
	run.Stage("connect", func() (map[string]any, error) {
		handler, err := authorization(ctx, run)
		if err != nil {
			return nil, err
		}
		client := mcp.NewClient(&mcp.Implementation{Name: "emcy-gosdk", Version: "1.0.0"}, nil)
		transport := &mcp.StreamableClientTransport{Endpoint: run.URL, OAuthHandler: handler}
		session, err = client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: versions[run.Era]})
		if err != nil {
			return nil, err
		}
		hello := session.InitializeResult()
		return map[string]any{"server": hello.ServerInfo.Name, "protocol": hello.ProtocolVersion}, nil
	})
	run.Stage("list", func() (map[string]any, error) {
		list, err := session.ListTools(ctx, nil)
		if err != nil {
			return nil, err
		}
		var names []string
		for _, tool := range list.Tools {
			names = append(names, tool.Name)
		}
		return map[string]any{"tools": names}, nil
	})
	run.Stage("call", func() (map[string]any, error) {
		result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "add", Arguments: map[string]any{"a": 40, "b": 2}})
		if err != nil {
			return nil, err
		}
		text := ""
		if content, ok := result.Content[0].(*mcp.TextContent); ok {
			text = content.Text
		}
		return map[string]any{"text": text}, driver.Sum(text)
	})
	run.Stage("close", func() (map[string]any, error) { return nil, session.Close() })
}

// authorization is the SDK's own handler, begun with stored tokens where there are any.
func authorization(ctx context.Context, run *driver.Run) (*auth.AuthorizationCodeHandler, error) {
	var stored state
	known, err := run.Load(&stored)
	if err != nil {
		return nil, err
	}
	loopback, err := driver.Listen(ctx)
	if err != nil {
		return nil, err
	}
	config := &auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{
				ClientName:              "Go SDK",
				RedirectURIs:            []string{loopback.RedirectURI},
				GrantTypes:              []string{"authorization_code", "refresh_token"},
				ResponseTypes:           []string{"code"},
				TokenEndpointAuthMethod: "none",
			},
		},
		RequestRefreshToken: true,
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			query, err := loopback.Authorize(ctx, args.URL)
			if err != nil {
				return nil, err
			}
			return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss")}, nil
		},
		NewTokenSource: func(ctx context.Context, client *oauth2.Config, token *oauth2.Token) (oauth2.TokenSource, error) {
			return &source{run, client, client.TokenSource(ctx, token)}, nil
		},
	}
	if run.MetadataURL != "" {
		config.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: run.MetadataURL}
	}
	if run.Given.ID != "" {
		config.PreregisteredClient = &oauthex.ClientCredentials{ClientID: run.Given.ID}
		if run.Given.Secret != "" {
			config.PreregisteredClient.ClientSecretAuth = &oauthex.ClientSecretAuth{ClientSecret: run.Given.Secret}
		}
	}
	if known {
		config.InitialTokenSource = &source{run, stored.Client, stored.Client.TokenSource(ctx, stored.Token)}
	}
	return auth.NewAuthorizationCodeHandler(config)
}
