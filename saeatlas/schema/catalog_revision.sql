-- Version of the catalog's tables. Used by upgrade.py.
select version_num from atlas.alembic_version
