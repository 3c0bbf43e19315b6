-- What a recording's SAE heard, summed up: tokens, width, mean and sum of products as float64.
-- Parameters: recording (recording.id). Used by covariances.py.
select n_tokens, d, mean, products from atlas.activation_covariance where recording = %(recording)s
