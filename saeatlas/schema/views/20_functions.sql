-- Functions of the SQL surface. Used by everyone who writes SQL.

create function atlas.remains(vector vector, longest double precision)
returns boolean language sql immutable parallel safe
return vector_norm(vector) > 1e-6 * longest;
comment on function atlas.remains(vector, double precision) is
    'Whether more of a sum of vectors is left than rounding leaves: a millionth of longest, the '
    'length of the longest term.';

create function atlas.direction(vector vector, longest double precision)
returns vector language plpgsql immutable parallel safe
as $$
begin
    if vector is null then
        raise exception 'This SAE was ingested without weights: it has no vectors'
            using errcode = 'invalid_parameter_value',
            hint = '`saeatlas ingest sae --path FOLDER` with its --release and --sae-id adds them.';
    end if;
    if not atlas.remains(vector, longest) then
        raise exception 'This vector has length 0, or its terms cancel out: nothing is near to nothing'
            using errcode = 'invalid_parameter_value';
    end if;
    return l2_normalize(vector);
end
$$;
comment on function atlas.direction(vector, double precision) is
    'A sum of vectors made unit long; longest is the length of the longest term. An error where less '
    'than a millionth of it remains: that is rounding.';

create function atlas.neighbours(sae integer, feature integer, k integer default 10)
returns table (neighbor integer, cosine double precision)
language sql stable parallel safe
begin atomic
    -- a stored vector would be fetched and unpacked for each row, a computed one is not
    with self as materialized (
        select atlas.direction(feature.decoder, feature.decoder_norm) as decoder
        from atlas.feature
        where feature.sae = neighbours.sae and feature.feature = neighbours.feature
    )
    select other.feature, 1 - (other.decoder <=> self.decoder)
    from self
    join atlas.feature as other on other.sae = neighbours.sae
    where other.feature <> neighbours.feature and other.decoder_norm > 0
    order by other.decoder <=> self.decoder, other.feature
    limit neighbours.k;
end;
comment on function atlas.neighbours(integer, integer, integer) is
    'The k features of the same SAE whose decoder vectors are nearest by cosine: an exact scan.';
