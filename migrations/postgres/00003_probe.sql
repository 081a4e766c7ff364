-- How far the latest probe of a runtime is, for those who watch it.

-- +goose Up
create table upstream_probes (
  tenant_id   text not null references tenants (id),
  upstream_id text not null,
  id          text not null,
  version     bigint not null,
  steps       text not null default '[]',
  started_at  timestamptz not null,
  finished_at timestamptz,
  primary key (tenant_id, upstream_id),
  foreign key (tenant_id, upstream_id) references upstreams (tenant_id, id) on delete cascade
);

alter table upstream_probes enable row level security;
alter table upstream_probes force row level security;
create policy tenant on upstream_probes to emcy_app using (tenant_id = nullif(current_setting('app.tenant_id', true), '')) with check (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
create policy system on upstream_probes to emcy_system using (true) with check (true);
grant select, insert, update, delete on upstream_probes to emcy_app, emcy_system;

-- +goose Down
drop table upstream_probes;
