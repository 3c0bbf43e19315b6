-- Functions of the SQL surface. Used by everyone who writes SQL.

create function atlas.neighbours(sae integer, feature integer, k integer default 10)
returns table (neighbor integer, cosine double precision)
language sql stable parallel safe
begin atomic
    -- a stored vector would be fetched and unpacked for each row, a computed one is not
    with self as materialized (
        select l2_normalize(feature.decoder) as decoder
        from atlas.feature
        where feature.sae = neighbours.sae and feature.feature = neighbours.feature
            and feature.decoder is not null
    )
    select other.feature, 1 - (other.decoder <=> self.decoder)
    from self
    join atlas.feature as other on other.sae = neighbours.sae
    where other.feature <> neighbours.feature
    order by other.decoder <=> self.decoder, other.feature
    limit neighbours.k;
end;
comment on function atlas.neighbours(integer, integer, integer) is
    'The k features of the same SAE whose decoder vectors are nearest by cosine: an exact scan. '
    'No rows for an SAE without weights.';
