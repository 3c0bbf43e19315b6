-- Room for a tile's bitmaps and for the counts of one column of tiles, so that neither goes to disk;
-- for one transaction. Used by workspace.py.
set local work_mem = '256MB'
