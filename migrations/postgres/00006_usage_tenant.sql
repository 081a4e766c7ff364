-- A foreign key is checked row by row: a third of what storing a usage event costs
-- the server. Events come in batches, which lock their tenants once (usage/store.go),
-- so all that is left to do here is to keep a tenant while it has events. SQLite
-- checks a foreign key in passing and keeps its own.

-- +goose Up
alter table usage_events drop constraint usage_events_tenant_id_fkey;
-- +goose StatementBegin
create function keep_tenant_of_usage() returns trigger language plpgsql as $$
begin
  if exists (select from usage_events where tenant_id = old.id) then
    raise foreign_key_violation using message = 'tenant ' || old.id || ' has usage events';
  end if;
  return old;
end $$;
-- +goose StatementEnd
create trigger usage_events_tenant before delete on tenants for each row execute function keep_tenant_of_usage();

-- +goose Down
drop trigger usage_events_tenant on tenants;
drop function keep_tenant_of_usage();
alter table usage_events add foreign key (tenant_id) references tenants (id);
