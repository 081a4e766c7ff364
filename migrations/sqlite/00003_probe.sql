-- How far the latest probe of a runtime is, for those who watch it.

-- +goose Up
create table upstream_probes (
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

-- +goose Down
drop table upstream_probes;
