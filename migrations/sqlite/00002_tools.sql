-- The tool snapshot of every runtime: what it listed last, what it listed before,
-- and when that changed (docs/adr/0007-tool-snapshot.md).

-- +goose Up
create table upstream_tool_lists (
  tenant_id   text not null references tenants (id),
  upstream_id text not null,
  revision    integer not null,
  created_at  datetime not null,
  synced_at   datetime not null,
  primary key (tenant_id, upstream_id),
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);

create table upstream_tools (
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

create table upstream_tool_definitions (
  tenant_id   text not null references tenants (id),
  upstream_id text not null,
  hash        text not null,
  definition  text not null,
  bytes       integer not null,
  primary key (tenant_id, upstream_id, hash),
  foreign key (tenant_id, upstream_id) references upstream_tool_lists (tenant_id, upstream_id) on delete cascade
);

create table upstream_tool_changes (
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
create index upstream_tool_changes_tool on upstream_tool_changes (tenant_id, upstream_id, tool_id);

-- Which runtimes are due for a look is asked once a minute, across tenants.
create index upstreams_probed on upstreams (probed_at);

-- +goose Down
drop index upstreams_probed;
drop table upstream_tool_changes;
drop table upstream_tool_definitions;
drop table upstream_tools;
drop table upstream_tool_lists;
