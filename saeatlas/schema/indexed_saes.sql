-- Names of the indices of decoder vectors, feature_SAE_near. Used by nearest.py.
select class.relname::text
from pg_catalog.pg_class as class
where class.relnamespace = 'atlas'::regnamespace
    and class.relkind = 'i'
    and class.relname ~ '^feature_[0-9]+_near$'
