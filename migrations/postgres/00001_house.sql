-- The first tables. Every tenant table carries its row-level security, composite
-- keys and grants in this same file.
--
-- emcy_app serves one tenant at a time: each transaction takes this role and sets
-- app.tenant_id. emcy_system is for the few named reads and writes that cross
-- tenants. Neither logs in, owns a table, or bypasses row-level security. They are
-- made before the migrations run (roles.go), because roles belong to the cluster.

-- +goose Up
create table accounts (
  id            text primary key,
  email         text not null,
  email_key     text not null unique,
  name          text not null,
  password_hash text not null,
  created_at    timestamptz not null
);

create table console_sessions (
  id_hash    text primary key,
  account_id text not null references accounts (id) on delete cascade,
  origin     text not null,
  csrf       text not null,
  flash      text not null default '',
  created_at timestamptz not null,
  seen_at    timestamptz not null,
  expires_at timestamptz not null
);
create index console_sessions_account on console_sessions (account_id);

create table tenants (
  id         text primary key,
  slug       text not null unique,
  name       text not null,
  version    bigint not null default 1,
  created_at timestamptz not null
);

create table tenant_origins (
  origin     text primary key,
  tenant_id  text not null references tenants (id),
  port       integer unique,
  created_at timestamptz not null
);
create index tenant_origins_tenant on tenant_origins (tenant_id);

create table members (
  tenant_id  text not null references tenants (id),
  account_id text not null references accounts (id),
  role       text not null check (role in ('owner', 'admin', 'developer', 'viewer')),
  created_at timestamptz not null,
  primary key (tenant_id, account_id)
);
create index members_account on members (account_id);

create table tenant_keys (
  tenant_id  text not null references tenants (id),
  version    bigint not null,
  wrapped    bytea not null,
  kek_id     text not null,
  state      text not null check (state in ('active', 'retired')),
  created_at timestamptz not null,
  primary key (tenant_id, version)
);

create table signing_keys (
  tenant_id  text not null references tenants (id),
  kid        text not null,
  alg        text not null,
  public_jwk text not null,
  private    bytea not null,
  state      text not null check (state in ('next', 'active', 'retired')),
  created_at timestamptz not null,
  primary key (tenant_id, kid)
);

create table upstreams (
  tenant_id            text not null references tenants (id),
  id                   text not null,
  slug                 text not null,
  name                 text not null,
  url                  text not null,
  secret_header        text not null,
  headers              bytea,
  worker_secret        bytea not null,
  previous_secret      bytea,
  previous_until       timestamptz,
  secret_visible_until timestamptz,
  state                text not null check (state in ('waiting', 'ready', 'error')),
  report               text not null default '',
  probed_at            timestamptz,
  version              bigint not null default 1,
  created_at           timestamptz not null,
  updated_at           timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, slug)
);

create table clients (
  tenant_id        text not null references tenants (id),
  id               text not null,
  kind             text not null check (kind in ('dcr', 'cimd', 'preregistered')),
  name             text not null,
  redirect_uris    text not null,
  application_type text not null,
  client_uri       text not null default '',
  software_id      text not null default '',
  software_version text not null default '',
  created_at       timestamptz not null,
  used_at          timestamptz,
  primary key (tenant_id, id)
);

create table end_user_sessions (
  tenant_id  text not null references tenants (id),
  id_hash    text not null,
  subject    text not null,
  origin     text not null,
  created_at timestamptz not null,
  seen_at    timestamptz not null,
  expires_at timestamptz not null,
  primary key (tenant_id, id_hash)
);
create index end_user_sessions_subject on end_user_sessions (tenant_id, subject);

create table attempts (
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
  answer         bytea,
  created_at     timestamptz not null,
  expires_at     timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, client_id) references clients (tenant_id, id) on delete cascade,
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);
create index attempts_expires on attempts (expires_at);

create table consents (
  tenant_id    text not null references tenants (id),
  id           text not null,
  subject      text not null,
  client_id    text not null,
  upstream_id  text not null,
  scope        text not null,
  redirect_uri text not null,
  created_at   timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, client_id) references clients (tenant_id, id) on delete cascade,
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);
create index consents_subject on consents (tenant_id, subject, client_id, upstream_id);

create table token_families (
  tenant_id      text not null references tenants (id),
  id             text not null,
  client_id      text not null,
  subject        text not null,
  upstream_id    text not null,
  resource       text not null,
  scope          text not null,
  created_at     timestamptz not null,
  expires_at     timestamptz not null,
  revoked_at     timestamptz,
  revoked_reason text not null default '',
  primary key (tenant_id, id)
);
create index token_families_revoked on token_families (tenant_id, revoked_at) where revoked_at is not null;
create index token_families_subject on token_families (tenant_id, subject);

create table codes (
  tenant_id      text not null references tenants (id),
  hash           text not null,
  family_id      text not null,
  client_id      text not null,
  redirect_uri   text not null,
  code_challenge text not null,
  created_at     timestamptz not null,
  expires_at     timestamptz not null,
  used_at        timestamptz,
  primary key (tenant_id, hash),
  foreign key (tenant_id, family_id) references token_families (tenant_id, id) on delete cascade
);
create index codes_expires on codes (expires_at);

create table refresh_tokens (
  tenant_id  text not null references tenants (id),
  hash       text not null,
  family_id  text not null,
  generation bigint not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at    timestamptz,
  primary key (tenant_id, hash),
  unique (tenant_id, family_id, generation),
  foreign key (tenant_id, family_id) references token_families (tenant_id, id) on delete cascade
);

create table usage_events (
  tenant_id        text not null references tenants (id),
  id               text not null,
  at               timestamptz not null,
  request_id       text not null,
  generation       bigint not null,
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
  gateway_us       bigint not null,
  upstream_us      bigint not null,
  total_us         bigint not null,
  request_bytes    bigint not null,
  response_bytes   bigint not null,
  primary key (tenant_id, id)
);
create index usage_events_upstream on usage_events (tenant_id, upstream_id, id);

create table audit_events (
  tenant_id   text not null references tenants (id),
  id          text not null,
  at          timestamptz not null,
  actor_kind  text not null,
  actor_id    text not null,
  action      text not null,
  target_kind text not null,
  target_id   text not null,
  before      text not null,
  after       text not null,
  primary key (tenant_id, id)
);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['tenant_origins','members','tenant_keys','signing_keys','upstreams','clients','end_user_sessions',
    'attempts','consents','token_families','codes','refresh_tokens','usage_events','audit_events'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I to emcy_app using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')) with check (tenant_id = nullif(current_setting(''app.tenant_id'', true), ''''))', t);
    execute format('create policy system on %I to emcy_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to emcy_app, emcy_system', t);
  end loop;
end $$;
-- +goose StatementEnd
-- The audit log only grows, also for ourselves.
revoke update, delete on audit_events from emcy_app, emcy_system;

alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenant on tenants to emcy_app using (id = nullif(current_setting('app.tenant_id', true), '')) with check (id = nullif(current_setting('app.tenant_id', true), ''));
create policy system on tenants to emcy_system using (true) with check (true);
grant select, update on tenants to emcy_app;
grant select, insert, update, delete on tenants to emcy_system;

-- People are not a tenant's: only the system role reads them.
alter table accounts enable row level security;
alter table accounts force row level security;
create policy system on accounts to emcy_system using (true) with check (true);
grant select, insert, update, delete on accounts to emcy_system;
alter table console_sessions enable row level security;
alter table console_sessions force row level security;
create policy system on console_sessions to emcy_system using (true) with check (true);
grant select, insert, update, delete on console_sessions to emcy_system;

-- +goose Down
drop table audit_events, usage_events, refresh_tokens, codes, token_families, consents, attempts, end_user_sessions, clients, upstreams, signing_keys, tenant_keys, members, tenant_origins, tenants, console_sessions, accounts;
