-- runs where analysis = lobes
SELECT runs.run, runs.analysis, runs.release, runs.sae_id, runs.layer, runs.sae, runs.recording, runs.input_run, runs.preset, runs.seed, runs.params, runs.quality, runs.code_version, runs.started_at, runs.finished_at 
FROM atlas.runs AS runs 
WHERE runs.analysis = 'lobes'
ORDER BY runs.run
