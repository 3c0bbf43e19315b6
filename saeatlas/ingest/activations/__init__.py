"""Run a model over a corpus; store the maximum activations of SAEs in each block."""
