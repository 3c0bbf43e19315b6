"""What names mean, and what is said of those that mean nothing or several things, word by word."""

import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.catalog import query
from saeatlas.catalog.language.field_types import Kind
from saeatlas.catalog.language.kinds import KINDS

pytestmark = pytest.mark.xdist_group("asked")


def _said(engine: sa.Engine, text: str) -> str:
    with pytest.raises(errors.BadQuery) as caught:
        query.compiled(engine, text)
    return str(caught.value)


SAID = {
    "features near 20:5": """\
Layer 20 is that of 2 SAEs.
features near 20:5
              ^^^^
They are sae 2 (gemma-scope/layer_20), sae 3 (other/one/layer_20).
Write `sae 2:5`, or which they are: `of sae 2`, `of release "gemma-scope"`.""",
    "features near 13:5": """\
There is no layer 13 here.
features near 13:5
              ^^^^
Available: 12, 20.
`saeatlas query saes` lists them.""",
    "features near gema-scope/12:5": """\
There is no release gema-scope here.
features near gema-scope/12:5
              ^^^^^^^^^^^^^^^
Nearest: gemma-scope.
Known: gemma-scope, other/one.
`saeatlas query saes` lists them.""",
    "features near sae 9:5": """\
There is no sae 9 here.
features near sae 9:5
              ^^^^^^^
Available: 1, 2, 3.
`saeatlas query saes` lists them.""",
    "features near 12:4900": """\
SAE 1 (gemma-scope/layer_12) has no feature 4900.
features near 12:4900
              ^^^^^^^
It has features 0 to 4899.
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language.""",
    "features near 12:1 in release other/one": """\
Vectors of sae 3 (other/one/layer_20), 8 long, cannot be compared with those of sae 1 \
(gemma-scope/layer_12), 16 long.
features near 12:1 in release other/one
                      ^^^^^^^^^^^^^^^^^
Vectors are compared within one model, and of one length.""",
    "features near 12:1 + other/one/20:2": """\
Vectors of sae 3 (other/one/layer_20), 8 long, cannot be added to those of sae 1 \
(gemma-scope/layer_12), 16 long.
features near 12:1 + other/one/20:2
                     ^^^^^^^^^^^^^^
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language.""",
    "features near 12:1 - 12:1": """\
These vectors cancel out: nothing is near to nothing.
features near 12:1 - 12:1
         ^^^^^^^^^^^^^^^^
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language.""",
    "features where densty > 0.1": """\
Features have no field 'densty'.
features where densty > 0.1
               ^^^^^^
Nearest: density.
Known: release, sae_id, layer, site, sae, feature, decoder_norm, threshold, neuronpedia_url, \
n_active, n_blocks, density.
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md lists the fields.""",
    "features where layer = gemma": """\
layer is a number.
features where layer = gemma
                       ^^^^^
Decoder layer of its input site, from 0. NULL if unknown.
Compare it with a number.""",
    "features where release = 12": """\
release is a text.
features where release = 12
                         ^^
sae-lens release, hub repository, or the name given to a local SAE.
Write it in quotes.""",
    "features where threshold = null": """\
threshold is a number.
features where threshold = null
                           ^^^^
JumpReLU threshold, in units of activation. NULL for other architectures.
Write `threshold is null`.""",
    "features where lobe = 2": """\
A feature has one lobe in each clustering: name the clustering.
features where lobe = 2
               ^^^^
Available: phi k 2 in run 3, phi k 3 in run 3, angular k 3 in run 5.
Say of which: `lobe = 2 of phi k 3`.""",
    "features where lobe = 2 of phi k 9": """\
There are no such lobes.
features where lobe = 2 of phi k 9
                           ^^^^^^^
Available: phi k 2 in run 3, phi k 3 in run 3, angular k 3 in run 5.
`saeatlas analyze lobes --cooccurrence RUN` makes some.""",
    "lobes of pi k 3": """\
There are no lobes by 'pi'.
lobes of pi k 3
         ^^
Nearest: phi.
Known: phi, jaccard, dice, overlap, simple_matching, angular.
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language.""",
    "lobes by subset of angular k 3": """\
No run of subsets has assigned document types to these lobes yet.
lobes by subset of angular k 3
                   ^^^^^^^^^^^
Run `saeatlas analyze subsets --lobes 5`.""",
    "features with 12:1 by fi": """\
'fi' is no measure of affinity.
features with 12:1 by fi
                      ^^
Nearest: pmi.
Known: phi, jaccard, dice, overlap, simple_matching, lift, pmi.
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language.""",
    "features with sae 3:1": """\
This needs a count of co-occurrence, and there is none.
features with sae 3:1
              ^^^^^^^
`saeatlas analyze cooccurrence --recording N` counts; `saeatlas status` lists recordings.""",
    "features with 12:1 in run 3": """\
Run 3 is no count of these features' co-occurrence.
features with 12:1 in run 3
                   ^^^^^^^^
Available: 1, 2.
`saeatlas analyze cooccurrence --recording N` counts; `saeatlas status` lists recordings.""",
    'features where fires in "Gitub" > 0.2': """\
No document was of type 'Gitub'.
features where fires in "Gitub" > 0.2
                        ^^^^^^^
Nearest: Github.
Known: ArXiv, FreeLaw, Github, type 3, type 4, type 5, type 6, type 7, type 8.
`saeatlas query documents` shows them.""",
    "features where 12:1 > 2": """\
`features` cannot be filtered by another feature.
features where 12:1 > 2
               ^^^^^^^^
`blocks where 12:4821` finds the blocks; `features with 12:4821` its partners.""",
    'features about "日本́" where densty > 0.1': """\
Features have no field 'densty'.
features about "日本́" where densty > 0.1
                            ^^^^^^
Nearest: density.
Known: release, sae_id, layer, site, sae, feature, decoder_norm, threshold, neuronpedia_url, \
text, source, method, score, n_active, n_blocks, density.
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md lists the fields.""",
    "features where cosine > 0.1": """\
Features have no field 'cosine' here.
features where cosine > 0.1
               ^^^^^^
`features near` have it.""",
    "blocks order by peak": """\
Blocks have no field 'peak' here.
blocks order by peak
                ^^^^
`blocks where 12:4821` have it.""",
    'labels where text like "\\alpha\\"': """\
Nothing follows the \\ at the end.
labels where text like "\\alpha\\"
                       ^^^^^^^^^
\\% is a % itself, \\_ a _, and \\\\ a \\.""",
    "blocks of sae 9 limit 3": """\
No feature is named whose activations these could be.
blocks of sae 9 limit 3
       ^^^^^^^^
Name one: `blocks where 12:4821`.""",
    "blocks near 12:1": """\
Blocks have no `near`.
blocks near 12:1
       ^^^^^^^^^
They have: of, in recording, in corpus.
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language.""",
    "features of 12:1": """\
Features have no `of feature`.
features of 12:1
         ^^^^^^^
They have: of, in, in run, near, exactly, with, about.
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language.""",
    "labels of 12:1 in layer 20": """\
The feature is of another SAE.
labels of 12:1 in layer 20
                  ^^^^^^^^
It is of sae 1 (gemma-scope/layer_12).
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language.""",
    "blocks where 12:1 and sae 3:1": """\
No corpus was recorded for sae 1 (gemma-scope/layer_12), sae 3 (other/one/layer_20).
blocks where 12:1 and sae 3:1
             ^^^^
Available: recording 3 of sae 3, corpus 3, recording 1 of sae 1, corpus 1.
`saeatlas ingest activations` records them.""",
    "runs in recording 7": """\
There is no recording 7.
runs in recording 7
     ^^^^^^^^^^^^^^
Available: 1, 2, 3.
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language.""",
    "runs where params = 3": """\
params cannot be compared.
runs where params = 3
           ^^^^^^
`saeatlas sql` can look into it.""",
    "features near 12:1 with 12:2": """\
near, with and about do not go together.
features near 12:1 with 12:2
                   ^^^^^^^^^
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language.""",
    "features near 12:1 near 12:2": """\
This clause is given twice.
features near 12:1 near 12:2
                   ^^^^^^^^^
https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language.""",
}


@pytest.mark.parametrize("text", SAID)
def test_what_is_said(asked: sa.Engine, text: str) -> None:
    assert _said(asked, text) == SAID[text]


def test_of_tells_which_sae_is_the_default(asked: sa.Engine) -> None:
    for place in ("of sae 2", "of release gemma-scope", "of release 'gemma-scope' of layer 20"):
        found = query.answer(asked, f"features {place} near 20:5 limit 3").frame()
        assert set(found.sae) == {2}
    assert set(query.answer(asked, "features near other/one/20:5 limit 3").frame().sae) == {3}


def test_an_empty_catalog_says_what_is_missing(engine: sa.Engine) -> None:
    assert _said(engine, "features near 12:1").startswith("There is no SAE in the catalog yet.")
    assert len(query.answer(engine, "runs")) == 0


@pytest.mark.slow
def test_too_deep_is_an_error(asked: sa.Engine) -> None:
    deep = "runs where " + "not (run = 1 or " * 2000 + "run = 2" + ")" * 2000
    said = "The query's conditions are nested too deeply, or its vectors are too many."
    assert _said(asked, deep) == said
    assert _said(asked, "features near 12:1" + " + 12:2" * 2000) == said


@pytest.mark.slow
def test_too_many_values_are_an_error(asked: sa.Engine) -> None:
    listed = ", ".join(map(str, range(65_536)))
    assert (
        _said(asked, f"features where feature in ({listed})")
        == """\
The query holds 65,536 values.
PostgreSQL takes up to 65,535.
Ask several times, for a part of them each."""
    )


@pytest.mark.parametrize(
    "kind",
    [each for kind in KINDS.values() for each in (kind, *kind.variants.values())],
    ids=lambda kind: kind.name,
)
def test_fields_are_the_columns_of_the_view(asked: sa.Engine, kind: Kind) -> None:
    types = {
        "integer": {"integer", "bigint"}, "number": {"real", "double precision"}, "text": {"text"},
        "boolean": {"boolean"}, "time": {"timestamp with time zone"}, "json": {"jsonb"},
    }  # fmt: skip
    query_ = sa.text(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = to_regclass('atlas.' || :view) and attnum > 0 order by attnum"
    )
    with asked.connect() as connection:
        rows = connection.execute(query_, {"view": kind.view})
        columns = {row.attname: row.format_type for row in rows}
    shown = [name for name, type_ in columns.items() if type_ != "vector"]
    assert [field.name for field in kind.fields] == shown
    assert [name for name, type_ in columns.items() if type_ == "vector"] == (
        [kind.vector] if kind.vector else []
    )
    for field in kind.fields:
        assert columns[field.name] in types[field.type], field.name
        assert field.comment
    assert all(name.lstrip("-") in shown for name in kind.order)
