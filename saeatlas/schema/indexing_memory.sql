-- An index of vectors is made several times quicker where it fits in memory. Used by nearest.py.
set local maintenance_work_mem = '2GB'
