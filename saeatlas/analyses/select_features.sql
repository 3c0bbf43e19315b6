-- Numbers of an SAE's features that meet a condition.
-- Parameters: sae (sae.id); condition: SQL of the user's on the columns of view features.
-- Used by conditions.py.
select feature
from features
where sae = %(sae)s
    and (
        {condition}
    )
