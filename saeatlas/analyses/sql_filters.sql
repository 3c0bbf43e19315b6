-- name: select_features
-- Numbers of an SAE's features that meet a condition. Parameters: sae (sae.id); condition: SQL of
-- the user's on the columns of view features.
select feature
from features
where sae = %(sae)s
    and (
        {condition}
    )
