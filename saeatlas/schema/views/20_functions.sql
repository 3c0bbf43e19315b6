-- Functions of the SQL surface. Used by everyone who writes SQL.

create function atlas.neighbors(sae integer, feature integer, k integer default 10)
returns table (neighbor integer, cosine double precision)
language sql stable parallel safe
begin atomic
    select other.feature, 1 - (other.decoder <=> self.decoder)
    from atlas.feature as self
    join atlas.feature as other on other.sae = self.sae and other.feature <> self.feature
    where self.sae = neighbors.sae and self.feature = neighbors.feature
    order by other.decoder <=> self.decoder, other.feature
    limit neighbors.k;
end;
comment on function atlas.neighbors(integer, integer, integer) is
    'The k features of the same SAE whose decoder vectors are nearest by cosine: an exact scan.';
