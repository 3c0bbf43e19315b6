-- Remove the working tables of a count, and its tiles if they were not published.
-- Identifiers: mask, work, tiles; literal: run. Used by workspace.py.
drop table if exists {mask}, {work};
do $$
begin
    if not exists (select from atlas.run where id = {run}) then
        drop table if exists {tiles};
    end if;
end
$$
