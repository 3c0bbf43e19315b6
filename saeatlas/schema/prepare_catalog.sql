-- Before the first migration: one process at a time, pgvector, a schema. Used by upgrade.py.
select pg_advisory_xact_lock(hashtext('saeatlas upgrade'));
create extension if not exists vector;
create schema if not exists atlas;
comment on schema atlas is 'SAE Atlas: features of sparse autoencoders'
