-- A chunk of a recording's bitmaps, as PostgreSQL's own bytes.
-- Literals: bitmap (bitmap.id), chunk. Used by subsets.py.
copy (
    select feature, bits from atlas.feature_bitmap where bitmap = {bitmap} and chunk = {chunk}
) to stdout (format binary)
