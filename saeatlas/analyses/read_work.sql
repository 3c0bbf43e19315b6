-- The assembled bitmaps in the order of places, as PostgreSQL's own bytes.
-- Identifiers: work. Used by workspace.py.
copy (select bits from {work} order by place) to stdout (format binary)
