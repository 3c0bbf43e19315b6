"""SAE Atlas from Python: what `saeatlas.connect()` returns."""
