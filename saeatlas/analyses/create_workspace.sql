-- Working tables of one count; nothing in them outlives it, so nothing of them is logged.
-- Identifiers: mask, work. Used by workspace.py.
create unlogged table {mask} (chunk integer primary key, bits bit varying not null);
create unlogged table {work} (place integer primary key, n integer not null, bits bit varying not null);
alter table {work} alter column bits set storage external
