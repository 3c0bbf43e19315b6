"""A catalog of an earlier version is upgraded with its rows."""

import json

import sqlalchemy as sa

from saeatlas.schema.database import upgrade

_ROWS = """
insert into atlas.sae (release, sae_id, d_in, d_sae, config, source, weights_sha256)
values ('release', 'sae', 4, 8, '{}', 'folder', decode(repeat('00', 32), 'hex'));
insert into atlas.corpus (name, source) values ('texts', 'texts.jsonl');
insert into atlas.recording (sae, corpus, source, keep_above, code_version)
values (1, 1, 'activations.npz', 0, '0.0.1');
insert into atlas.run (analysis, sae, params, input_sha256, quality, code_version)
values
    ('lobes', 1, '{}', decode(repeat('01', 32), 'hex'), '{"remarks": ["few"], "n": 3}', '0'),
    ('subsets', 1, '{}', decode(repeat('02', 32), 'hex'), '{"seconds": 2}', '0');
insert into atlas.clustering (run, affinity, k, n_lobes, n_features, ncut, modularity)
values (1, 'phi', 2, 2, 8, 0.5, 0.25);
insert into atlas.lobe (clustering, lobe, n_features, modularity)
values (1, 0, 5, 0.2), (1, 1, 3, 0.05);
insert into atlas.subset_lobe
    (run, clustering, lobe, subset, n_blocks, n_won, won_share, mean_share, enrichment)
values (2, 1, 0, 'prose', 10, 9, 0.9, 0.4, 1.8), (2, 1, 1, 'prose', 10, 1, 0.1, 0.2, 0.2)
"""


def _of_version_9(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("drop schema atlas cascade")
        upgrade.migrate(connection, "0009")
        connection.exec_driver_sql(_ROWS.replace("%", "%%"))


def test_rows_of_version_9_are_found_under_the_new_names(engine: sa.Engine) -> None:
    _of_version_9(engine)
    with engine.begin() as connection:
        assert upgrade.revision(connection) == "0009"
        upgrade.bring_up(connection, migrate=True)
        assert upgrade.revision(connection) == upgrade.head()
    with engine.connect() as connection:
        subsets = connection.exec_driver_sql(
            "select lobe, subset, n_blocks, n_top, top_share, enrichment "
            "from atlas.lobe_subsets order by lobe"
        ).all()
        qualities = connection.exec_driver_sql("select quality from atlas.run order by id")
        recording = connection.exec_driver_sql("select model from atlas.recordings").scalar_one()
        assert [tuple(row) for row in subsets] == [
            (0, "prose", 10, 9, 0.9, 1.8),
            (1, "prose", 10, 1, 0.1, 0.2),
        ]
        assert list(qualities.scalars()) == [{"n": 3, "notes": ["few"]}, {"seconds": 2}]
        assert recording == "activations.npz"


def test_comments_are_those_of_a_new_catalog(engine: sa.Engine) -> None:
    query = (
        "select json_object_agg(attrelid::regclass || '.' || attname, "
        "col_description(attrelid, attnum)) from pg_attribute join pg_class on oid = attrelid "
        "where relnamespace = 'atlas'::regnamespace and relkind in ('r', 'p') and attnum > 0"
    )
    with engine.connect() as connection:
        expected = connection.exec_driver_sql(query).scalar_one()
    _of_version_9(engine)
    with engine.begin() as connection:
        before = connection.exec_driver_sql(query).scalar_one()
        upgrade.apply(connection)
        after = connection.exec_driver_sql(query).scalar_one()
    assert after == expected
    assert json.dumps(before) != json.dumps(after)


def test_runs_of_version_10_are_named_by_what_they_measured(engine: sa.Engine) -> None:
    """Of word relations: relations. And an index of vectors as stored is dropped."""
    old = """
    insert into atlas.sae (release, sae_id, d_in, d_sae, config, source, weights_sha256)
    values ('release', 'sae', 4, 8, '{}', 'folder', decode(repeat('00', 32), 'hex'));
    insert into atlas.word_space (name, d, source, facts) values ('words', 4, 'words.npz', '{}');
    insert into atlas.run (analysis, sae, word_space, params, input_sha256, quality, code_version)
    values
        ('crystals', 1, null, '{}', decode(repeat('01', 32), 'hex'), '{}', '0'),
        ('crystals', 1, 1, '{}', decode(repeat('02', 32), 'hex'), '{}', '0'),
        ('crystals', null, 1, '{}', decode(repeat('03', 32), 'hex'), '{}', '0');
    create table atlas.feature_1 partition of atlas.feature for values in (1);
    create index feature_1_near on atlas.feature_1
        using hnsw ((decoder::halfvec(4)) halfvec_cosine_ops)
    """
    with engine.begin() as connection:
        connection.exec_driver_sql("drop schema atlas cascade")
        upgrade.migrate(connection, "0010")
        connection.exec_driver_sql(old)
        upgrade.bring_up(connection, migrate=True)
        names = connection.exec_driver_sql("select analysis from atlas.run order by id")
        assert list(names.scalars()) == ["crystals", "crystals", "relations"]
        index = "select count(*) from pg_class where relname = 'feature_1_near'"
        assert connection.exec_driver_sql(index).scalar_one() == 0
