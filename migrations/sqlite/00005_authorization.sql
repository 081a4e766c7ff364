-- The authorization server, whole: kinds of clients and how they prove themselves, a
-- workspace's settings, scopes, further grants, sign-in at an identity provider, and the
-- trace of each connection attempt.

-- +goose Up
alter table clients add column auth_method text not null default 'none' check (auth_method in ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'));
alter table clients add column secret_hash text not null default '';
alter table clients add column previous_secret_hash text not null default '';
alter table clients add column previous_secret_until datetime;
alter table clients add column jwks text not null default '';
alter table clients add column jwks_uri text not null default '';
alter table clients add column grant_types text not null default '["authorization_code","refresh_token"]';
alter table clients add column scope text not null default '';
alter table clients add column status text not null default 'active' check (status in ('active', 'held', 'blocked'));
alter table clients add column management_hash text not null default '';
alter table clients add column document text not null default '';
alter table clients add column etag text not null default '';
alter table clients add column auth_optional boolean not null default false;
alter table clients add column fetched_at datetime;
alter table clients add column fresh_until datetime;
alter table clients add column fetch_error text not null default '';
alter table clients add column dpop_required boolean not null default false;
alter table clients add column par_required boolean not null default false;
alter table clients add column created_by text not null default '';
alter table clients add column version integer not null default 1;

create table auth_settings (
  tenant_id            text not null references tenants (id),
  cimd                 text not null default 'any' check (cimd in ('known', 'any', 'report', 'off')),
  dcr                  text not null default 'on' check (dcr in ('on', 'loopback', 'listed', 'off')),
  dcr_hosts            text not null default '[]',
  review               boolean not null default false,
  access_seconds       integer not null default 3600,
  refresh_idle_seconds integer not null default 2592000,
  family_seconds       integer not null default 7776000,
  dpop                 text not null default 'optional' check (dpop in ('off', 'optional', 'required')),
  par                  text not null default 'optional' check (par in ('off', 'optional', 'required')),
  client_credentials   boolean not null default false,
  device               boolean not null default false,
  remember_consent     boolean not null default false,
  signing_alg          text not null default 'ES256' check (signing_alg in ('ES256', 'RS256')),
  version              integer not null default 1,
  updated_at           datetime not null,
  primary key (tenant_id)
);

create table spent_tokens (
  tenant_id  text not null references tenants (id),
  kind       text not null check (kind in ('client_assertion', 'id_jag', 'dpop')),
  hash       text not null,
  expires_at datetime not null,
  primary key (tenant_id, kind, hash)
);
create index spent_tokens_expires on spent_tokens (expires_at);

create table trusted_issuers (
  tenant_id  text not null references tenants (id),
  id         text not null,
  name       text not null,
  issuer     text not null,
  jwks_uri   text not null,
  clients    text not null default '[]',
  created_at datetime not null,
  primary key (tenant_id, id),
  unique (tenant_id, issuer)
);

create table scopes (
  tenant_id   text not null references tenants (id),
  name        text not null,
  title       text not null,
  description text not null,
  includes    text not null default '[]',
  initial     boolean not null default false,
  position    integer not null default 0,
  created_at  datetime not null,
  primary key (tenant_id, name)
);

create table scope_tools (
  tenant_id   text not null references tenants (id),
  scope       text not null,
  upstream_id text not null,
  tool        text not null,
  primary key (tenant_id, scope, upstream_id, tool),
  foreign key (tenant_id, scope) references scopes (tenant_id, name) on delete cascade,
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);

create table device_codes (
  tenant_id   text not null references tenants (id),
  hash        text not null,
  user_code   text not null,
  client_id   text not null,
  upstream_id text not null,
  resource    text not null,
  scope       text not null,
  dpop_jkt    text not null default '',
  state       text not null check (state in ('pending', 'approved', 'denied', 'used')),
  family_id   text not null default '',
  trace_id    text not null default '',
  polled_at   datetime,
  interval_s  integer not null default 5,
  created_at  datetime not null,
  expires_at  datetime not null,
  primary key (tenant_id, hash),
  unique (tenant_id, user_code),
  foreign key (tenant_id, client_id) references clients (tenant_id, id) on delete cascade,
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);
create index device_codes_expires on device_codes (expires_at);

create table pushed_requests (
  tenant_id  text not null references tenants (id),
  hash       text not null,
  client_id  text not null,
  parameters blob not null,
  created_at datetime not null,
  expires_at datetime not null,
  used_at    datetime,
  primary key (tenant_id, hash),
  foreign key (tenant_id, client_id) references clients (tenant_id, id) on delete cascade
);
create index pushed_requests_expires on pushed_requests (expires_at);

alter table token_families add column origin text not null default 'code' check (origin in ('code', 'device', 'client_credentials', 'jwt_bearer'));
alter table token_families add column dpop_jkt text not null default '';
alter table token_families add column consent_id text not null default '';
alter table token_families add column trace_id text not null default '';
alter table token_families add column needed_scope text not null default '';
alter table token_families add column needed_at datetime;
alter table token_families add column idle_seconds integer not null default 2592000;
create index token_families_client on token_families (tenant_id, client_id);

alter table codes add column dpop_jkt text not null default '';

alter table attempts add column trace_id text not null default '';
alter table attempts add column dpop_jkt text not null default '';
alter table attempts add column device_hash text not null default '';

alter table consents add column seconds integer not null default 0;
alter table consents add column revoked_at datetime;

alter table signing_keys add column activated_at datetime;
alter table signing_keys add column retired_at datetime;

create table identity_providers (
  tenant_id       text not null references tenants (id),
  id              text not null,
  name            text not null,
  issuer          text not null,
  client_id       text not null,
  client_secret   blob not null,
  scopes          text not null,
  email_claim     text not null,
  name_claim      text not null,
  groups_claim    text not null,
  allowed_domains text not null default '[]',
  allowed_groups  text not null default '[]',
  enabled         boolean not null default true,
  version         integer not null default 1,
  created_at      datetime not null,
  updated_at      datetime not null,
  primary key (tenant_id, id)
);

create table provider_sign_ins (
  tenant_id    text not null references tenants (id),
  state_hash   text not null,
  provider_id  text not null,
  browser_hash text not null,
  attempt_id   text not null,
  secrets      blob not null,
  created_at   datetime not null,
  expires_at   datetime not null,
  used_at      datetime,
  primary key (tenant_id, state_hash),
  foreign key (tenant_id, provider_id) references identity_providers (tenant_id, id) on delete cascade
);
create index provider_sign_ins_expires on provider_sign_ins (expires_at);

create table browser_bindings (
  tenant_id    text not null references tenants (id),
  state_hash   text not null,
  cookie_hash  text not null,
  browser_hash text not null,
  attempt_id   text not null,
  expires_at   datetime not null,
  primary key (tenant_id, state_hash)
);
create index browser_bindings_expires on browser_bindings (expires_at);

create table end_users (
  tenant_id    text not null references tenants (id),
  id           text not null,
  provider_id  text not null,
  external_id  text not null,
  email        text not null,
  name         text not null,
  groups       text not null default '[]',
  created_at   datetime not null,
  signed_in_at datetime not null,
  blocked_at   datetime,
  primary key (tenant_id, id),
  unique (tenant_id, provider_id, external_id),
  foreign key (tenant_id, provider_id) references identity_providers (tenant_id, id) on delete cascade
);

create table traces (
  tenant_id       text not null references tenants (id),
  id              text not null,
  upstream_id     text not null default '',
  client_id       text not null default '',
  client_name     text not null default '',
  subject         text not null default '',
  family_id       text not null default '',
  network         text not null default '',
  user_agent      text not null default '',
  browser_network text not null default '',
  state           text not null,
  reached         text not null default '',
  failed_step     text not null default '',
  failed_code     text not null default '',
  created_at      datetime not null,
  updated_at      datetime not null,
  issued_at       datetime,
  first_call_at   datetime,
  primary key (tenant_id, id)
);
create index traces_family on traces (tenant_id, family_id);
create index traces_network on traces (tenant_id, network, updated_at);
create index traces_state on traces (tenant_id, state, updated_at);
create index traces_updated on traces (updated_at);

create table trace_steps (
  tenant_id text not null references tenants (id),
  trace_id  text not null,
  id        text not null,
  at        datetime not null,
  step      text not null,
  ok        boolean not null,
  code      text not null default '',
  client_id text not null default '',
  asked     text not null,
  answered  text not null,
  primary key (tenant_id, trace_id, id),
  foreign key (tenant_id, trace_id) references traces (tenant_id, id) on delete cascade
);
create index trace_steps_client on trace_steps (tenant_id, client_id);

create table trace_locks (
  tenant_id text not null references tenants (id),
  taken     integer not null default 0,
  primary key (tenant_id)
);

-- +goose Down
drop index token_families_client;
drop table trace_locks;
drop table trace_steps;
drop table traces;
drop table end_users;
drop table browser_bindings;
drop table provider_sign_ins;
drop table identity_providers;
drop table pushed_requests;
drop table device_codes;
drop table scope_tools;
drop table scopes;
drop table trusted_issuers;
drop table spent_tokens;
drop table auth_settings;
alter table clients drop column version;
alter table clients drop column created_by;
alter table clients drop column par_required;
alter table clients drop column dpop_required;
alter table clients drop column fetch_error;
alter table clients drop column fresh_until;
alter table clients drop column fetched_at;
alter table clients drop column auth_optional;
alter table clients drop column etag;
alter table clients drop column document;
alter table clients drop column management_hash;
alter table clients drop column status;
alter table clients drop column scope;
alter table clients drop column grant_types;
alter table clients drop column jwks_uri;
alter table clients drop column jwks;
alter table clients drop column previous_secret_until;
alter table clients drop column previous_secret_hash;
alter table clients drop column secret_hash;
alter table clients drop column auth_method;
alter table token_families drop column idle_seconds;
alter table token_families drop column needed_at;
alter table token_families drop column needed_scope;
alter table token_families drop column trace_id;
alter table token_families drop column consent_id;
alter table token_families drop column dpop_jkt;
alter table token_families drop column origin;
alter table codes drop column dpop_jkt;
alter table attempts drop column device_hash;
alter table attempts drop column dpop_jkt;
alter table attempts drop column trace_id;
alter table consents drop column revoked_at;
alter table consents drop column seconds;
alter table signing_keys drop column retired_at;
alter table signing_keys drop column activated_at;
