-- name: read_tiles
-- The tiles of a count, as PostgreSQL's own bytes. Parameters: run (run.id).
copy (select tile_row, tile_column, counts from cooccurrence where run = %(run)s)
to stdout (format binary)
