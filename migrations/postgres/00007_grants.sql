-- Downstream grants: profiles, their attachment to runtimes, the grants themselves with
-- the lease that keeps refreshes apart, connecting, taking grants back at the provider,
-- and the alerts about all of it.

-- +goose Up
alter table upstreams add column contract text not null default '{}';
alter table attempts add column consent_id text not null default '';
alter table attempts add column granted text not null default '';

create table profiles (
  tenant_id     text not null references tenants (id),
  id            text not null,
  name          text not null,
  kind          text not null check (kind in ('oauth', 'api_key', 'exchange')),
  preset        text not null,
  issuer        text not null,
  settings      text not null,
  metadata      text not null default '',
  discovered_at timestamptz,
  discovery_error text not null default '',
  sign_in       boolean not null default false,
  generation    integer not null default 1,
  version       integer not null default 1,
  created_at    timestamptz not null,
  updated_at    timestamptz not null,
  primary key (tenant_id, id)
);

create table profile_clients (
  tenant_id          text not null references tenants (id),
  profile_id         text not null,
  generation         integer not null,
  kind               text not null check (kind in ('preregistered', 'cimd', 'dcr')),
  client_id          text not null,
  auth_method        text not null check (auth_method in ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')),
  client_secret      bytea,
  private_key        bytea,
  registration_token bytea,
  registration_uri   text not null default '',
  redirect_uri       text not null default '',
  secret_expires_at  timestamptz,
  created_at         timestamptz not null,
  retired_at         timestamptz,
  primary key (tenant_id, profile_id, generation),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id) on delete cascade
);

create table profile_upstreams (
  tenant_id   text not null references tenants (id),
  upstream_id text not null,
  profile_id  text not null,
  scopes      text not null default '',
  tool_scopes text not null default '{}',
  needed_for  text not null default 'calls' check (needed_for in ('nothing', 'calls', 'everything')),
  audience    text not null default '',
  version     integer not null default 1,
  created_at  timestamptz not null,
  primary key (tenant_id, upstream_id),
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade,
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id)
);
create index profile_upstreams_profile on profile_upstreams (tenant_id, profile_id);

create table profile_users (
  tenant_id    text not null references tenants (id),
  id           text not null,
  profile_id   text not null,
  external_id  text not null,
  email        text not null,
  name         text not null,
  created_at   timestamptz not null,
  signed_in_at timestamptz not null,
  blocked_at   timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, profile_id, external_id),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id) on delete cascade
);

create table grants (
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
  access_token       bytea,
  refresh_token      bytea,
  token_type         text not null default 'Bearer',
  expires_at         timestamptz,
  refresh_expires_at timestamptz,
  refresh_due_at     timestamptz,
  retry_at           timestamptz,
  warned_at          timestamptz,
  client_generation  integer not null default 1,
  generation         bigint not null default 1,
  version            bigint not null default 1,
  failures           integer not null default 0,
  rotates            text not null default '' check (rotates in ('', 'yes', 'no')),
  refresh_extends    text not null default '' check (refresh_extends in ('', 'yes', 'no')),
  lease_id           text not null default '',
  lease_until        timestamptz,
  flight_started_at  timestamptz,
  suspect_at         timestamptz,
  connected_at       timestamptz not null,
  refreshed_at       timestamptz,
  used_at            timestamptz,
  created_at         timestamptz not null,
  updated_at         timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, profile_id, subject),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id)
);
create index grants_due on grants (refresh_due_at);
create index grants_changed on grants (tenant_id, updated_at);
create index grants_state on grants (tenant_id, state, updated_at);
create index grants_subject on grants (tenant_id, subject);

create table provider_pauses (
  tenant_id    text not null references tenants (id),
  provider     text not null,
  paused_until timestamptz,
  failures     integer not null default 0,
  reason       text not null default '',
  trial_until  timestamptz,
  updated_at   timestamptz not null,
  primary key (tenant_id, provider)
);

create table connects (
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
  secrets           bytea not null,
  created_at        timestamptz not null,
  expires_at        timestamptz not null,
  used_at           timestamptz,
  primary key (tenant_id, state_hash),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id) on delete cascade
);
create index connects_expires on connects (expires_at);

create table connect_links (
  tenant_id    text not null references tenants (id),
  hash         text not null,
  profile_id   text not null,
  upstream_id  text not null,
  subject      text not null,
  client_id    text not null,
  scopes       text not null,
  browser_hash text not null default '',
  created_at   timestamptz not null,
  expires_at   timestamptz not null,
  opened_at    timestamptz,
  used_at      timestamptz,
  primary key (tenant_id, hash),
  foreign key (tenant_id, profile_id) references profiles (tenant_id, id) on delete cascade,
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);
create index connect_links_expires on connect_links (expires_at);
create index connect_links_subject on connect_links (tenant_id, subject, profile_id);

create table grant_revocations (
  tenant_id         text not null references tenants (id),
  id                text not null,
  batch_id          text not null default '',
  grant_id          text not null,
  profile_id        text not null,
  subject           text not null,
  client_generation integer not null,
  tokens            bytea,
  state             text not null check (state in ('pending', 'done', 'failed', 'unsupported')),
  attempts          integer not null default 0,
  error             text not null default '',
  next_at           timestamptz not null,
  created_at        timestamptz not null,
  done_at           timestamptz,
  primary key (tenant_id, id)
);
create index grant_revocations_due on grant_revocations (state, next_at);
create index grant_revocations_batch on grant_revocations (tenant_id, batch_id);

create table revocation_batches (
  tenant_id   text not null references tenants (id),
  id          text not null,
  target_kind text not null check (target_kind in ('tenant', 'profile', 'grant')),
  target_id   text not null default '',
  reason      text not null default '',
  started_by  text not null,
  total       integer not null default 0,
  created_at  timestamptz not null,
  listed_at   timestamptz,
  finished_at timestamptz,
  primary key (tenant_id, id)
);

create table alert_settings (
  tenant_id  text not null references tenants (id),
  recipients text not null default '[]',
  events     text not null default '[]',
  tell_users boolean not null default true,
  tell_owners boolean not null default true,
  version    integer not null default 1,
  updated_at timestamptz not null,
  primary key (tenant_id)
);

create table webhooks (
  tenant_id       text not null references tenants (id),
  id              text not null,
  name            text not null,
  url             text not null,
  secret          bytea not null,
  previous_secret bytea,
  previous_until  timestamptz,
  events          text not null default '[]',
  enabled         boolean not null default true,
  disabled_reason text not null default '',
  failures        integer not null default 0,
  failing_since   timestamptz,
  version         integer not null default 1,
  created_at      timestamptz not null,
  updated_at      timestamptz not null,
  primary key (tenant_id, id)
);

create table notifications (
  tenant_id  text not null references tenants (id),
  id         text not null,
  event      text not null,
  subject    text not null default '',
  group_key  text not null default '',
  payload    text not null,
  created_at timestamptz not null,
  primary key (tenant_id, id)
);
create index notifications_created on notifications (created_at);
create index notifications_latest on notifications (tenant_id, created_at);

create table deliveries (
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
  next_at         timestamptz not null,
  lease_id        text not null default '',
  lease_until     timestamptz,
  created_at      timestamptz not null,
  sent_at         timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, notification_id) references notifications (tenant_id, id) on delete cascade
);
create index deliveries_due on deliveries (state, next_at);
create index deliveries_target on deliveries (tenant_id, target, state);
create index deliveries_notification on deliveries (tenant_id, notification_id);
create index deliveries_webhook on deliveries (tenant_id, webhook_id, created_at);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['profiles','profile_clients','profile_upstreams','profile_users','grants','provider_pauses','connects','connect_links','grant_revocations','revocation_batches','alert_settings','webhooks','notifications','deliveries'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I to emcy_app using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')) with check (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))', t);
    execute format('create policy system on %I to emcy_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to emcy_app, emcy_system', t);
  end loop;
end $$;
-- +goose StatementEnd

-- +goose Down
drop table deliveries;
drop table notifications;
drop table webhooks;
drop table alert_settings;
drop table revocation_batches;
drop table grant_revocations;
drop table connect_links;
drop table connects;
drop table provider_pauses;
drop table grants;
drop table profile_users;
drop table profile_upstreams;
drop table profile_clients;
drop table profiles;
alter table attempts drop column granted;
alter table attempts drop column consent_id;
alter table upstreams drop column contract;
