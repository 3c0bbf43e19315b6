-- name: read_bits
-- Where features are active in the blocks of one chunk, as the bytes of bit strings. Parameters:
-- bitmap (bitmap.id), chunk (its place in the bitmap).
copy (
    select feature, bits from feature_bitmap where bitmap = %(bitmap)s and chunk = %(chunk)s
) to stdout (format binary)
