-- Take rows in, as stage.py lays them out. Used by stage.py.
copy incoming (document, block, feature, activation) from stdin (format binary)
