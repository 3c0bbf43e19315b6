-- name: read_features
-- The active features of some blocks, as the bytes of pgvector's vectors: the server sends those
-- several times quicker than arrays. A vector has at most 16,000 elements, so a block may take two.
-- Parameters: recording (recording.id), first, stop (blocks, from the first to before the last).
-- Used by bitmaps.py where all that is stored counts as active.
copy (
    select
        block,
        case when n_active <= 16000 then features else features[start:start + 15999] end::vector
    from activation cross join generate_series(1, n_active, 16000) as start
    where recording = %(recording)s and block >= %(first)s and block < %(stop)s
) to stdout (format binary)

-- name: read_peaks
-- The active features of some blocks with their maxima, as read_features sends them. Parameters:
-- recording (recording.id), first, stop (blocks, from the first to before the last). Used by
-- bitmaps.py where a part of what is stored counts as active.
copy (
    select
        block,
        case when n_active <= 16000 then features else features[start:start + 15999] end::vector,
        case when n_active <= 16000 then peaks else peaks[start:start + 15999] end::vector
    from activation cross join generate_series(1, n_active, 16000) as start
    where recording = %(recording)s and block >= %(first)s and block < %(stop)s
) to stdout (format binary)
