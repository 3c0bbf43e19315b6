-- One row an SAE, with the number of recordings that listened through it. Used by status.py.
select
    saes.sae, saes.release, saes.sae_id, saes.model, saes.layer, saes.site, saes.architecture,
    saes.d_in, saes.d_sae, saes.l0,
    (select count(*) from recording where recording.sae = saes.sae) as recordings
from saes
order by saes.release, saes.layer, saes.sae
