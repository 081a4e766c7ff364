package forms

import "strings"

// Profile is the form of a profile, new or edited.
type Profile struct {
	Fields ProfileFields
	// Secret is the client secret; it is not given back to a page.
	Secret string
	// InitialToken opens a registration; it is not given back either.
	InitialToken string
	// PresetFields are what the preset asks for, such as a tenant.
	PresetFields map[string]string
	// Version is the one that the form was filled from; -1 where it is no number.
	Version int64
}

// ProfileFields are the fields as they were typed.
type ProfileFields struct {
	Name, Kind, Preset                                                            string
	Discovery, Issuer, ResourceURL                                                string
	Authorization, Token, Revocation, UserInfo, Introspection, Registration, JWKS string
	Scopes                                                                        []string
	OtherScopes                                                                   string
	ClientKind, ClientID, AuthMethod, KeyAlg                                      string
	Resource, Audience                                                            string
	OmitResource                                                                  bool
	ResourceOn                                                                    []string
	ScopeSeparator, AuthorizeParams, TokenParams, OfflineScope                    string
	IdentityFrom, IdentityURL, IdentityID, IdentityName                           string
	IdentityEmail, IdentityEmailVerified                                          string
	SignIn                                                                        bool
	Match, KeepAlive                                                              string
	ScopeOnRefresh, AcceptJSON, ErrorsWith200, NoPKCE                             bool
	Rotates, DefaultLife, RefreshLife, RevokeWith, AssertionAudience              string
	KeyLabel, KeyHelp, KeyHeader, KeyFormat, KeyCheckURL                          string
	ExchangeAudience, ExchangeResource, ExchangeScopes                            string
}

// PresetField is the name of the field in which something of a preset is typed.
func PresetField(name string) string { return "preset." + name }

// ReadPreset reads what a new profile is made from.
func ReadPreset(v Values) string { return strings.TrimSpace(v.line("preset")) }

// ReadProfile reads the form; asked are the names of what the preset asks for.
func ReadProfile(v Values, asked []string) Profile {
	text := func(name string) string { return strings.TrimSpace(v.line(name)) }
	on := func(name string) bool { return v.one(name) != "" }
	in := Profile{Secret: v.one("client_secret"), InitialToken: v.one("initial_token"), Version: v.number("version"), PresetFields: map[string]string{}}
	for _, name := range asked {
		in.PresetFields[name] = text(PresetField(name))
	}
	in.Fields = ProfileFields{
		Name: v.line("name"), Kind: text("kind"), Preset: text("preset"),
		Discovery: text("discovery"), Issuer: text("issuer"), ResourceURL: text("resource_url"),
		Authorization: text("authorization_endpoint"), Token: text("token_endpoint"), Revocation: text("revocation_endpoint"), UserInfo: text("userinfo_endpoint"),
		Introspection: text("introspection_endpoint"), Registration: text("registration_endpoint"), JWKS: text("jwks_uri"),
		Scopes: v.fields["scope"], OtherScopes: v.one("scopes"),
		ClientKind: text("client_kind"), ClientID: text("client_id"), AuthMethod: text("auth_method"), KeyAlg: text("key_alg"),
		Resource: text("resource"), Audience: text("audience"), OmitResource: on("omit_resource"), ResourceOn: v.fields["resource_on"],
		ScopeSeparator: text("scope_separator"), AuthorizeParams: v.one("authorize_params"), TokenParams: v.one("token_params"), OfflineScope: text("offline_scope"),
		IdentityFrom: text("identity_from"), IdentityURL: text("identity_url"), IdentityID: text("identity_id"), IdentityName: text("identity_name"),
		IdentityEmail: text("identity_email"), IdentityEmailVerified: text("identity_email_verified"),
		SignIn: on("sign_in"), Match: text("match"), KeepAlive: text("keep_alive"),
		ScopeOnRefresh: on("scope_on_refresh"), AcceptJSON: on("accept_json"), ErrorsWith200: on("errors_with_200"), NoPKCE: on("no_pkce"),
		Rotates: text("rotates"), DefaultLife: text("default_life"), RefreshLife: text("refresh_life"), RevokeWith: text("revoke_with"), AssertionAudience: text("assertion_audience"),
		KeyLabel: v.line("key_label"), KeyHelp: v.line("key_help"), KeyHeader: text("key_header"), KeyFormat: text("key_format"), KeyCheckURL: text("key_check_url"),
		ExchangeAudience: text("exchange_audience"), ExchangeResource: text("exchange_resource"), ExchangeScopes: v.one("exchange_scopes"),
	}
	return in
}

// ProfileClient is the form of another client of a profile.
type ProfileClient struct {
	Kind, ID, AuthMethod, KeyAlg, Secret, InitialToken string
	Version                                            int64
}

// ReadProfileClient reads the form.
func ReadProfileClient(v Values) ProfileClient {
	return ProfileClient{
		Kind: v.line("client_kind"), ID: strings.TrimSpace(v.line("client_id")), AuthMethod: v.line("auth_method"), KeyAlg: v.line("key_alg"), Secret: v.one("client_secret"), InitialToken: v.one("initial_token"),
		Version: v.number("version"),
	}
}

// ReadAccept reads whether the addresses that a provider names now are accepted.
func ReadAccept(v Values) bool { return v.one("accept") != "" }

// Access is the form of what a runtime takes of a profile.
type Access struct {
	// Profile is empty where nothing is to be attached.
	Profile   string
	Scopes    []string
	NeededFor string
	Audience  string
	// ToolScopes are pairs of a tool's id and a scope.
	ToolScopes [][2]string
	// Version is the attachment's; 0 where there was none, -1 where it is no number.
	Version int64
}

// ReadAccess reads the form.
func ReadAccess(v Values) Access {
	in := Access{Profile: v.line("profile"), Scopes: v.fields["scope"], NeededFor: v.line("needed_for"), Audience: strings.TrimSpace(v.line("audience")), Version: v.number("version")}
	for _, pair := range v.fields["tool_scope"] {
		if tool, scope, ok := strings.Cut(pair, " "); ok {
			in.ToolScopes = append(in.ToolScopes, [2]string{tool, scope})
		}
	}
	return in
}
