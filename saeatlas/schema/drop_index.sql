-- Placeholders: index (schema and index). Used by nearest.py.
drop index {index}
