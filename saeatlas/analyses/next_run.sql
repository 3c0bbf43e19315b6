-- Reserve the number of a run to come, and hold it for this session. Used by workspace.py.
select number
from nextval('atlas.run_id_seq') as number, pg_advisory_lock(hashtext('saeatlas run'), number::integer)
