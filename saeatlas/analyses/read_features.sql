-- The active features of some blocks, in block order, as PostgreSQL's own bytes.
-- Parameters: recording (recording.id), first, stop (blocks, from the first to before the last).
-- Used by bitmaps.py where all that is stored counts as active.
copy (
    select features
    from activation
    where recording = %(recording)s and block >= %(first)s and block < %(stop)s
    order by block
) to stdout (format binary)
