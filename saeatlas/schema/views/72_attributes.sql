-- Attributes of features with the names of their SAE. Used by everyone who writes SQL.

create view atlas.attributes as
select
    attribute.id as attribute, attribute.run, sae.release, sae.sae_id, sae.layer, run.sae,
    attribute.name, attribute.type, attribute.n_features, run.params ->> 'file' as file,
    run.finished_at
from atlas.attribute
join atlas.run on run.id = attribute.run
join atlas.sae on sae.id = run.sae;
comment on view atlas.attributes is
    'Attributes of features that came from files; a query writes them as attribute.NAME.';

create view atlas.attribute_values as
select
    attribute.run, sae.release, sae.sae_id, sae.layer, run.sae, attribute.id as attribute,
    attribute.name, value.feature, value.number, value.text
from atlas.attribute_value as value
join atlas.attribute on attribute.id = value.attribute
join atlas.run on run.id = attribute.run
join atlas.sae on sae.id = run.sae;
comment on view atlas.attribute_values is
    'The value of each attribute of a feature: a number or a text.';
