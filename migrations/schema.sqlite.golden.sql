CREATE TRIGGER audit_events_no_delete before delete on audit_events begin select raise(abort, 'the audit log only grows'); end;
CREATE TRIGGER audit_events_no_update before update on audit_events begin select raise(abort, 'the audit log only grows'); end;
CREATE TABLE accounts (
  id            text primary key,
  email         text not null,
  email_key     text not null unique,
  name          text not null,
  password_hash text not null,
  created_at    datetime not null
);
CREATE TABLE alert_settings (
  tenant_id  text not null references tenants (id),
  recipients text not null default '[]',
  events     text not null default '[]',
  tell_users boolean not null default true,
  tell_owners boolean not null default true,
  version    integer not null default 1,
  updated_at datetime not null,
  primary key (tenant_id)
);
CREATE TABLE attempts (
  tenant_id      text not null references tenants (id),
  id             text not null,
  browser_hash   text not null,
  client_id      text not null,
  upstream_id    text not null,
  redirect_uri   text not null,
  response_mode  text not null default '',
  state          text not null,
  scope          text not null,
  resource       text not null,
  code_challenge text not null,
  nonce          text not null default '',
  prompt         text not null,
  subject        text not null default '',
  answer         blob,
  created_at     datetime not null,
  expires_at     datetime not null, trace_id text not null default '', dpop_jkt text not null default '', device_hash text not null default '', consent_id text not null default '', granted text not null default '',
  primary key (tenant_id, id),
  foreign key (tenant_id, client_id) references clients (tenant_id, id) on delete cascade,
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);
CREATE TABLE audit_events (
  tenant_id   text not null references tenants (id),
  id          text not null,
  at          datetime not null,
  actor_kind  text not null,
  actor_id    text not null,
  action      text not null,
  target_kind text not null,
  target_id   text not null,
  before      text not null,
  after       text not null,
  primary key (tenant_id, id)
);
CREATE TABLE auth_settings (
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
CREATE TABLE browser_bindings (
  tenant_id    text not null references tenants (id),
  state_hash   text not null,
  cookie_hash  text not null,
  browser_hash text not null,
  attempt_id   text not null,
  expires_at   datetime not null,
  primary key (tenant_id, state_hash)
);
CREATE TABLE clients (
  tenant_id        text not null references tenants (id),
  id               text not null,
  kind             text not null check (kind in ('dcr', 'cimd', 'preregistered')),
  name             text not null,
  redirect_uris    text not null,
  application_type text not null,
  client_uri       text not null default '',
  software_id      text not null default '',
  software_version text not null default '',
  created_at       datetime not null,
  used_at          datetime, auth_method text not null default 'none' check (auth_method in ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')), secret_hash text not null default '', previous_secret_hash text not null default '', previous_secret_until datetime, jwks text not null default '', jwks_uri text not null default '', grant_types text not null default '["authorization_code","refresh_token"]', scope text not null default '', status text not null default 'active' check (status in ('active', 'held', 'blocked')), management_hash text not null default '', document text not null default '', etag text not null default '', auth_optional boolean not null default false, fetched_at datetime, fresh_until datetime, fetch_error text not null default '', dpop_required boolean not null default false, par_required boolean not null default false, created_by text not null default '', version integer not null default 1,
  primary key (tenant_id, id)
);
CREATE TABLE codes (
  tenant_id      text not null references tenants (id),
  hash           text not null,
  family_id      text not null,
  client_id      text not null,
  redirect_uri   text not null,
  code_challenge text not null,
  created_at     datetime not null,
  expires_at     datetime not null,
  used_at        datetime, dpop_jkt text not null default '',
  primary key (tenant_id, hash),
  foreign key (tenant_id, family_id) references token_families (tenant_id, id) on delete cascade
);
CREATE TABLE connect_links (
  tenant_id    text not null references tenants (id),
  hash         text not null,
  profile_id   text not null,
  upstream_id  text not null,
  subject      text not null,
  client_id    text not null,
  scopes       text not null,
  browser_hash text not null default '',
  created_at   datetime not null,
  expires_at   datetime not null,
  opened_at    datetime,
  used_at      datetime,
  primary key (tenant_id, hash),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id) on delete cascade,
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);
CREATE TABLE connects (
  tenant_id         text not null references tenants (id),
  state_hash        text not null,
  profile_id        text not null,
  purpose           text not null check (purpose in ('connect', 'sign_in', 'trial')),
  subject           text not null default '',
  upstream_id       text not null default '',
  attempt_id        text not null default '',
  link_hash         text not null default '',
  browser_hash      text not null,
  issuer            text not null,
  scopes            text not null,
  client_generation integer not null,
  secrets           blob not null,
  created_at        datetime not null,
  expires_at        datetime not null,
  used_at           datetime,
  primary key (tenant_id, state_hash),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id) on delete cascade
);
CREATE TABLE consents (
  tenant_id    text not null references tenants (id),
  id           text not null,
  subject      text not null,
  client_id    text not null,
  upstream_id  text not null,
  scope        text not null,
  redirect_uri text not null,
  created_at   datetime not null, seconds integer not null default 0, revoked_at datetime,
  primary key (tenant_id, id),
  foreign key (tenant_id, client_id) references clients (tenant_id, id) on delete cascade,
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);
CREATE TABLE console_sessions (
  id_hash    text primary key,
  account_id text not null references accounts (id) on delete cascade,
  origin     text not null,
  csrf       text not null,
  flash      text not null default '',
  created_at datetime not null,
  seen_at    datetime not null,
  expires_at datetime not null
);
CREATE TABLE deliveries (
  tenant_id       text not null references tenants (id),
  id              text not null,
  notification_id text not null,
  channel         text not null check (channel in ('alert', 'user', 'webhook')),
  webhook_id      text not null default '',
  recipient       text not null default '',
  target          text not null,
  state           text not null check (state in ('pending', 'sent', 'failed')),
  attempts        integer not null default 0,
  status          integer not null default 0,
  error           text not null default '',
  next_at         datetime not null,
  lease_id        text not null default '',
  lease_until     datetime,
  created_at      datetime not null,
  sent_at         datetime,
  primary key (tenant_id, id),
  foreign key (tenant_id, notification_id) references notifications (tenant_id, id) on delete cascade
);
CREATE TABLE device_codes (
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
CREATE TABLE end_user_sessions (
  tenant_id  text not null references tenants (id),
  id_hash    text not null,
  subject    text not null,
  origin     text not null,
  created_at datetime not null,
  seen_at    datetime not null,
  expires_at datetime not null,
  primary key (tenant_id, id_hash)
);
CREATE TABLE end_users (
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
CREATE TABLE grant_revocations (
  tenant_id         text not null references tenants (id),
  id                text not null,
  batch_id          text not null default '',
  grant_id          text not null,
  profile_id        text not null,
  subject           text not null,
  client_generation integer not null,
  tokens            blob,
  state             text not null check (state in ('pending', 'done', 'failed', 'unsupported')),
  attempts          integer not null default 0,
  error             text not null default '',
  next_at           datetime not null,
  created_at        datetime not null,
  done_at           datetime,
  primary key (tenant_id, id)
);
CREATE TABLE grants (
  tenant_id          text not null references tenants (id),
  id                 text not null,
  profile_id         text not null,
  subject            text not null,
  state              text not null check (state in ('connected', 'refresh_failing', 'needs_reconnect', 'revoked')),
  reason             text not null default '',
  reason_text        text not null default '',
  account_id         text not null default '',
  account_name       text not null default '',
  scopes             text not null default '',
  access_token       blob,
  refresh_token      blob,
  token_type         text not null default 'Bearer',
  expires_at         datetime,
  refresh_expires_at datetime,
  refresh_due_at     datetime,
  retry_at           datetime,
  warned_at          datetime,
  client_generation  integer not null default 1,
  generation         bigint not null default 1,
  version            bigint not null default 1,
  failures           integer not null default 0,
  rotates            text not null default '' check (rotates in ('', 'yes', 'no')),
  refresh_extends    text not null default '' check (refresh_extends in ('', 'yes', 'no')),
  lease_id           text not null default '',
  lease_until        datetime,
  flight_started_at  datetime,
  suspect_at         datetime,
  connected_at       datetime not null,
  refreshed_at       datetime,
  used_at            datetime,
  created_at         datetime not null,
  updated_at         datetime not null,
  primary key (tenant_id, id),
  unique (tenant_id, profile_id, subject),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id)
);
CREATE TABLE identity_providers (
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
CREATE TABLE members (
  tenant_id  text not null references tenants (id),
  account_id text not null references accounts (id),
  role       text not null check (role in ('owner', 'admin', 'developer', 'viewer')),
  created_at datetime not null,
  primary key (tenant_id, account_id)
);
CREATE TABLE notifications (
  tenant_id  text not null references tenants (id),
  id         text not null,
  event      text not null,
  subject    text not null default '',
  group_key  text not null default '',
  payload    text not null,
  created_at datetime not null,
  primary key (tenant_id, id)
);
CREATE TABLE profile_clients (
  tenant_id          text not null references tenants (id),
  profile_id         text not null,
  generation         integer not null,
  kind               text not null check (kind in ('preregistered', 'cimd', 'dcr')),
  client_id          text not null,
  auth_method        text not null check (auth_method in ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')),
  client_secret      blob,
  private_key        blob,
  registration_token blob,
  registration_uri   text not null default '',
  redirect_uri       text not null default '',
  secret_expires_at  datetime,
  created_at         datetime not null,
  retired_at         datetime,
  primary key (tenant_id, profile_id, generation),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id) on delete cascade
);
CREATE TABLE profile_upstreams (
  tenant_id   text not null references tenants (id),
  upstream_id text not null,
  profile_id  text not null,
  scopes      text not null default '',
  tool_scopes text not null default '{}',
  needed_for  text not null default 'calls' check (needed_for in ('nothing', 'calls', 'everything')),
  audience    text not null default '',
  version     integer not null default 1,
  created_at  datetime not null,
  primary key (tenant_id, upstream_id),
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade,
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id)
);
CREATE TABLE profile_users (
  tenant_id    text not null references tenants (id),
  id           text not null,
  profile_id   text not null,
  external_id  text not null,
  email        text not null,
  name         text not null,
  created_at   datetime not null,
  signed_in_at datetime not null,
  blocked_at   datetime,
  primary key (tenant_id, id),
  unique (tenant_id, profile_id, external_id),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id) on delete cascade
);
CREATE TABLE profiles (
  tenant_id     text not null references tenants (id),
  id            text not null,
  name          text not null,
  kind          text not null check (kind in ('oauth', 'api_key', 'exchange')),
  preset        text not null,
  issuer        text not null,
  settings      text not null,
  metadata      text not null default '',
  discovered_at datetime,
  discovery_error text not null default '',
  sign_in       boolean not null default false,
  generation    integer not null default 1,
  version       integer not null default 1,
  created_at    datetime not null,
  updated_at    datetime not null,
  primary key (tenant_id, id)
);
CREATE TABLE provider_pauses (
  tenant_id    text not null references tenants (id),
  provider     text not null,
  paused_until datetime,
  failures     integer not null default 0,
  reason       text not null default '',
  trial_until  datetime,
  updated_at   datetime not null,
  primary key (tenant_id, provider)
);
CREATE TABLE provider_sign_ins (
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
CREATE TABLE pushed_requests (
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
CREATE TABLE refresh_tokens (
  tenant_id  text not null references tenants (id),
  hash       text not null,
  family_id  text not null,
  generation integer not null,
  created_at datetime not null,
  expires_at datetime not null,
  used_at    datetime,
  primary key (tenant_id, hash),
  unique (tenant_id, family_id, generation),
  foreign key (tenant_id, family_id) references token_families (tenant_id, id) on delete cascade
);
CREATE TABLE revocation_batches (
  tenant_id   text not null references tenants (id),
  id          text not null,
  target_kind text not null check (target_kind in ('tenant', 'profile', 'grant')),
  target_id   text not null default '',
  reason      text not null default '',
  started_by  text not null,
  total       integer not null default 0,
  created_at  datetime not null,
  listed_at   datetime,
  finished_at datetime,
  primary key (tenant_id, id)
);
CREATE TABLE scope_tools (
  tenant_id   text not null references tenants (id),
  scope       text not null,
  upstream_id text not null,
  tool        text not null,
  primary key (tenant_id, scope, upstream_id, tool),
  foreign key (tenant_id, scope) references scopes (tenant_id, name) on delete cascade,
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);
CREATE TABLE scopes (
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
CREATE TABLE signing_keys (
  tenant_id  text not null references tenants (id),
  kid        text not null,
  alg        text not null,
  public_jwk text not null,
  private    blob not null,
  state      text not null check (state in ('next', 'active', 'retired')),
  created_at datetime not null, activated_at datetime, retired_at datetime,
  primary key (tenant_id, kid)
);
CREATE TABLE spent_tokens (
  tenant_id  text not null references tenants (id),
  kind       text not null check (kind in ('client_assertion', 'id_jag', 'dpop')),
  hash       text not null,
  expires_at datetime not null,
  primary key (tenant_id, kind, hash)
);
CREATE TABLE tenant_keys (
  tenant_id  text not null references tenants (id),
  version    integer not null,
  wrapped    blob not null,
  kek_id     text not null,
  state      text not null check (state in ('active', 'retired')),
  created_at datetime not null,
  primary key (tenant_id, version)
);
CREATE TABLE tenant_origins (
  origin     text primary key,
  tenant_id  text not null references tenants (id),
  port       integer unique,
  created_at datetime not null
);
CREATE TABLE tenants (
  id         text primary key,
  slug       text not null unique,
  name       text not null,
  version    integer not null default 1,
  created_at datetime not null
, generation bigint not null default 1);
CREATE TABLE token_families (
  tenant_id      text not null references tenants (id),
  id             text not null,
  client_id      text not null,
  subject        text not null,
  upstream_id    text not null,
  resource       text not null,
  scope          text not null,
  created_at     datetime not null,
  expires_at     datetime not null,
  revoked_at     datetime,
  revoked_reason text not null default '', origin text not null default 'code' check (origin in ('code', 'device', 'client_credentials', 'jwt_bearer')), dpop_jkt text not null default '', consent_id text not null default '', trace_id text not null default '', needed_scope text not null default '', needed_at datetime, idle_seconds integer not null default 2592000,
  primary key (tenant_id, id)
);
CREATE TABLE trace_locks (
  tenant_id text not null references tenants (id),
  taken     integer not null default 0,
  primary key (tenant_id)
);
CREATE TABLE trace_steps (
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
CREATE TABLE traces (
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
CREATE TABLE trusted_issuers (
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
CREATE TABLE upstream_probes (
  tenant_id   text not null references tenants (id),
  upstream_id text not null,
  id          text not null,
  version     integer not null,
  steps       text not null default '[]',
  started_at  datetime not null,
  finished_at datetime,
  primary key (tenant_id, upstream_id),
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);
CREATE TABLE upstream_tool_changes (
  tenant_id   text not null references tenants (id),
  id          text not null,
  upstream_id text not null,
  tool_id     text not null,
  kind        text not null check (kind in ('added', 'changed', 'removed')),
  revision    integer not null,
  old_hash    text not null,
  new_hash    text not null,
  at          datetime not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, upstream_id, tool_id) references upstream_tools (tenant_id, upstream_id, id) on delete cascade
);
CREATE TABLE upstream_tool_definitions (
  tenant_id   text not null references tenants (id),
  upstream_id text not null,
  hash        text not null,
  definition  text not null,
  bytes       integer not null,
  primary key (tenant_id, upstream_id, hash),
  foreign key (tenant_id, upstream_id) references upstream_tool_lists (tenant_id, upstream_id) on delete cascade
);
CREATE TABLE upstream_tool_lists (
  tenant_id   text not null references tenants (id),
  upstream_id text not null,
  revision    integer not null,
  created_at  datetime not null,
  synced_at   datetime not null,
  primary key (tenant_id, upstream_id),
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);
CREATE TABLE upstream_tools (
  tenant_id     text not null references tenants (id),
  upstream_id   text not null,
  id            text not null,
  name          text not null,
  hash          text not null,
  hints         integer not null,
  first_seen_at datetime not null,
  changed_at    datetime not null,
  removed_at    datetime,
  primary key (tenant_id, upstream_id, id),
  foreign key (tenant_id, upstream_id) references upstream_tool_lists (tenant_id, upstream_id) on delete cascade
);
CREATE TABLE upstreams (
  tenant_id            text not null references tenants (id),
  id                   text not null,
  slug                 text not null,
  name                 text not null,
  url                  text not null,
  secret_header        text not null,
  headers              blob,
  worker_secret        blob not null,
  previous_secret      blob,
  previous_until       datetime,
  secret_visible_until datetime,
  state                text not null check (state in ('waiting', 'ready', 'error')),
  report               text not null default '',
  probed_at            datetime,
  version              integer not null default 1,
  created_at           datetime not null,
  updated_at           datetime not null, contract text not null default '{}',
  primary key (tenant_id, id),
  unique (tenant_id, slug)
);
CREATE TABLE usage_events (
  tenant_id        text not null references tenants (id),
  id               text not null,
  at               datetime not null,
  request_id       text not null,
  generation       integer not null,
  upstream_id      text not null,
  client_id        text not null,
  subject          text not null,
  family_id        text not null,
  http_method      text not null,
  method           text not null,
  name             text not null,
  protocol_version text not null,
  status           integer not null,
  outcome          text not null,
  reason           text not null,
  stream           boolean not null,
  finished         boolean not null,
  gateway_us       integer not null,
  upstream_us      integer not null,
  total_us         integer not null,
  request_bytes    integer not null,
  response_bytes   integer not null,
  primary key (tenant_id, id)
);
CREATE TABLE webhooks (
  tenant_id       text not null references tenants (id),
  id              text not null,
  name            text not null,
  url             text not null,
  secret          blob not null,
  previous_secret blob,
  previous_until  datetime,
  events          text not null default '[]',
  enabled         boolean not null default true,
  disabled_reason text not null default '',
  failures        integer not null default 0,
  failing_since   datetime,
  version         integer not null default 1,
  created_at      datetime not null,
  updated_at      datetime not null,
  primary key (tenant_id, id)
);
CREATE INDEX attempts_expires on attempts (expires_at);
CREATE INDEX browser_bindings_expires on browser_bindings (expires_at);
CREATE INDEX codes_expires on codes (expires_at);
CREATE INDEX connect_links_expires on connect_links (expires_at);
CREATE INDEX connect_links_subject on connect_links (tenant_id, subject, profile_id);
CREATE INDEX connects_expires on connects (expires_at);
CREATE INDEX consents_subject on consents (tenant_id, subject, client_id, upstream_id);
CREATE INDEX console_sessions_account on console_sessions (account_id);
CREATE INDEX deliveries_due on deliveries (state, next_at);
CREATE INDEX deliveries_notification on deliveries (tenant_id, notification_id);
CREATE INDEX deliveries_target on deliveries (tenant_id, target, state);
CREATE INDEX deliveries_webhook on deliveries (tenant_id, webhook_id, created_at);
CREATE INDEX device_codes_expires on device_codes (expires_at);
CREATE INDEX end_user_sessions_subject on end_user_sessions (tenant_id, subject);
CREATE INDEX grant_revocations_batch on grant_revocations (tenant_id, batch_id);
CREATE INDEX grant_revocations_due on grant_revocations (state, next_at);
CREATE INDEX grants_changed on grants (tenant_id, updated_at);
CREATE INDEX grants_due on grants (refresh_due_at);
CREATE INDEX grants_state on grants (tenant_id, state, updated_at);
CREATE INDEX grants_subject on grants (tenant_id, subject);
CREATE INDEX members_account on members (account_id);
CREATE INDEX notifications_created on notifications (created_at);
CREATE INDEX notifications_latest on notifications (tenant_id, created_at);
CREATE INDEX profile_upstreams_profile on profile_upstreams (tenant_id, profile_id);
CREATE INDEX provider_sign_ins_expires on provider_sign_ins (expires_at);
CREATE INDEX pushed_requests_expires on pushed_requests (expires_at);
CREATE INDEX spent_tokens_expires on spent_tokens (expires_at);
CREATE INDEX tenant_origins_tenant on tenant_origins (tenant_id);
CREATE INDEX token_families_client on token_families (tenant_id, client_id);
CREATE INDEX token_families_revoked on token_families (tenant_id, revoked_at) where revoked_at is not null;
CREATE INDEX token_families_subject on token_families (tenant_id, subject);
CREATE INDEX trace_steps_client on trace_steps (tenant_id, client_id);
CREATE INDEX traces_family on traces (tenant_id, family_id);
CREATE INDEX traces_network on traces (tenant_id, network, updated_at);
CREATE INDEX traces_state on traces (tenant_id, state, updated_at);
CREATE INDEX traces_updated on traces (updated_at);
CREATE INDEX upstream_tool_changes_tool on upstream_tool_changes (tenant_id, upstream_id, tool_id);
CREATE INDEX upstreams_probed on upstreams (probed_at);
CREATE INDEX usage_events_upstream on usage_events (tenant_id, upstream_id, id);
