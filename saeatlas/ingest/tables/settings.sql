-- Room for one sort of many millions of rows; what does not fit goes to the server's disk.
-- Used by stage.py, for one transaction.
set local work_mem = '256MB'
