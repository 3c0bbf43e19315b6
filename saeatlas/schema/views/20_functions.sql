-- Functions of the SQL surface. Used by everyone who writes SQL.

create function atlas.neighbors(sae integer, feature integer, k integer default 10)
returns table (neighbor integer, cosine double precision)
language sql stable parallel safe
begin atomic
    -- a stored vector would be fetched and unpacked for each row, a computed one is not
    with self as materialized (
        select l2_normalize(feature.decoder) as decoder
        from atlas.feature
        where feature.sae = neighbors.sae and feature.feature = neighbors.feature
            and feature.decoder is not null
    )
    select other.feature, 1 - (other.decoder <=> self.decoder)
    from self
    join atlas.feature as other on other.sae = neighbors.sae
    where other.feature <> neighbors.feature
    order by other.decoder <=> self.decoder, other.feature
    limit neighbors.k;
end;
comment on function atlas.neighbors(integer, integer, integer) is
    'The k features of the same SAE whose decoder vectors are nearest by cosine: an exact scan. '
    'No rows for an SAE without weights.';
