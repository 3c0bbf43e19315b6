-- name: read_covariance
-- Sums over the input activations of a recording's SAE: tokens, width, mean and sum of products as float64.
-- Parameters: recording (recording.id).
select n_tokens, d, mean, products from atlas.activation_covariance where recording = %(recording)s
