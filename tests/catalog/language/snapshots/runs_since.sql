-- runs of layer 12 where finished_at > "2020-01-31" and preset = "default"
SELECT runs.run, runs.analysis, runs.release, runs.sae_id, runs.layer, runs.sae, runs.recording, runs.input_run, runs.preset, runs.seed, runs.params, runs.quality, runs.code_version, runs.started_at, runs.finished_at 
FROM atlas.runs AS runs 
WHERE runs.sae = 1 AND runs.finished_at > '2020-01-31 00:00:00+00:00' AND runs.preset = 'default'
ORDER BY runs.run
