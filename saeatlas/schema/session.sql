-- Every session of SAE Atlas begins so: names are found without their schema, times are in UTC,
-- and nothing is compiled just in time, which costs more than our statements take.
-- Used by connect.py.
set search_path to atlas, public;
set timezone to 'UTC';
set jit to off
