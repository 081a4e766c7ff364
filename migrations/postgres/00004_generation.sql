-- A tenant's generation counts the changes of what its edge serves. Every process
-- reads the same number, so that two edges can be told apart by it.

-- +goose Up
alter table tenants add column generation bigint not null default 1;

-- +goose Down
alter table tenants drop column generation;
