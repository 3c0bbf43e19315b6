"""What is drawn is what was asked for: densities, lobes, vectors, crystals."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from saeatlas import errors
from saeatlas.ingest import simulation
from saeatlas.ingest.simulation import Blocks, Decoder, Params, blocks, features

BARE = {"parallelograms": 0, "trapezoids": 0}
SMALL = Params(features=400, d_model=48, active=40.0, dead=0.1)


def _matrix(params: Params, n_chunks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The 0/1 matrix of blocks and features; each block's type and lobe."""
    source = Blocks(params, simulation.plant_features(params))
    drawn = [source.draw(chunk) for chunk in range(n_chunks)]
    rows = [active for chunk in drawn for active, _ in chunk.blocks]
    matrix = np.zeros((len(rows), params.features), bool)
    for row, active in zip(matrix, rows, strict=True):
        row[active] = True
    per = params.blocks_per_document
    types = np.repeat(np.concatenate([chunk.types for chunk in drawn]), per)
    return matrix, types, np.repeat(np.concatenate([chunk.lobes for chunk in drawn]), per)


def _decoder(params: Params) -> tuple[Decoder, features.Features]:
    planted = simulation.plant_features(params)
    return simulation.draw_decoder(params, planted), planted


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("share", [0.0005, 0.07, 0.6, 0.95])
def test_densities_are_a_power_law_below_the_cap(exponent: float, share: float) -> None:
    found = features.densities(1_000, 1_000 * share, exponent)
    assert found.sum() == pytest.approx(1_000 * share)
    assert found.max() <= simulation.MAX_DENSITY + 1e-12
    free = np.flatnonzero(found < simulation.MAX_DENSITY - 1e-9)
    if len(free) > 1:
        slopes = np.diff(np.log(found[free])) / np.diff(np.log(free + 1))
        assert slopes == pytest.approx(-exponent, abs=1e-6)
        assert set(range(free[0])) == set(range(1_000)) - set(free)  # the densest are at the cap


def test_lobes_are_even_and_do_not_know_densities() -> None:
    params = replace(SMALL, features=3_000, lobes=7)
    planted = simulation.plant_features(params)
    sizes = np.bincount(planted.lobe[planted.lobe >= 0])
    assert len(sizes) == 7 and sizes.sum() == 2_700 and np.ptp(sizes) <= 1
    assert (planted.density[planted.lobe == features.NO_LOBE] == 0).all()
    assert (planted.density[planted.lobe >= 0] > 0).all()
    ranks = np.argsort(np.argsort(planted.density))
    means = [ranks[planted.lobe == lobe].mean() for lobe in range(7)]
    error = 2_700 / np.sqrt(12 * sizes[0])
    assert np.abs(np.array(means) - (300 + 2_700 / 2)).max() < 4 * error


@pytest.mark.parametrize("subsets", [None, 2, 7])
@pytest.mark.parametrize("preference", [0.0, 0.3, 1.0])
def test_probabilities_average_to_the_density(preference: float, subsets: int | None) -> None:
    params = replace(SMALL, preference=preference, subsets=subsets)
    planted = simulation.plant_features(params)
    own, other = blocks.probabilities(params, planted)
    share = blocks.lobe_shares(params)
    assert share.sum() == pytest.approx(1)
    live = planted.lobe >= 0
    s = share[planted.lobe[live]]
    assert s * own[live] + (1 - s) * other[live] == pytest.approx(planted.density[live])
    assert other.min() >= 0 and own.max() <= blocks.HIGHEST + 1e-12
    assert (own[live] > other[live]).all() == (preference > 0)


@pytest.mark.parametrize("preference", [0.0, 0.5, 1.0])
def test_densities_are_met_and_dead_features_are_silent(preference: float) -> None:
    params = replace(SMALL, preference=preference)
    matrix, _, _ = _matrix(params, 6)
    n, p = len(matrix), simulation.plant_features(params).density
    counts = matrix.sum(0)
    assert (p == 0).sum() == 40 and not counts[p == 0].any()
    live = p > 0
    z = (counts - n * p)[live] / np.sqrt(n * p * (1 - p))[live]
    assert np.abs(z).max() < 4.5
    assert 0.6 < z.std() < 1.15
    assert matrix.sum(1).mean() == pytest.approx(40, abs=4 * np.sqrt((p * (1 - p)).sum() / n))


def test_documents_are_balanced_in_every_chunk() -> None:
    params = replace(SMALL, lobes=4, subsets=9)
    for chunk in range(3):
        drawn = Blocks(params, simulation.plant_features(params)).draw(chunk)
        n = simulation.documents_a_chunk(params)
        assert len(drawn.types) == len(drawn.lobes) == n == 512
        assert np.ptp(np.bincount(drawn.types, minlength=9)) <= 2
        expected = n * blocks.lobe_shares(params)
        assert np.abs(np.bincount(drawn.lobes, minlength=4) - expected).max() < 9 + 4
        assert np.mean(drawn.lobes == drawn.types % 4) == pytest.approx(0.8 + 0.2 / 4, abs=0.03)
        assert np.abs(np.corrcoef(drawn.types, np.arange(n))[0, 1]) < 4 / np.sqrt(n)  # shuffled


def _chi_square(preference: float) -> tuple[float, int, np.ndarray]:
    """Of types against lobes of active features; its degrees of freedom; shares of lobes."""
    params = replace(SMALL, preference=preference)
    matrix, types, _ = _matrix(params, 4)
    lobe = simulation.plant_features(params).lobe
    table = np.array(
        [[matrix[types == t][:, lobe == k].sum() for k in range(3)] for t in range(9)], float
    )
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    shares = table / table.sum(1, keepdims=True) / (table.sum(0) / table.sum())
    return float(((table - expected) ** 2 / expected).sum()), 16, shares


def test_types_prefer_their_lobes_when_asked() -> None:
    statistic, freedom, shares = _chi_square(0.5)
    assert statistic > 50 * freedom
    assert (shares.argmax(1) == np.arange(9) % 3).all()
    statistic, freedom, _ = _chi_square(0.0)
    assert statistic < freedom + 4 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("preference", [0.0, 0.5])
def test_features_of_a_lobe_occur_together_when_asked(preference: float) -> None:
    params = replace(SMALL, preference=preference, density_exponent=0.3)
    matrix, _, _ = _matrix(params, 6)
    planted = simulation.plant_features(params)
    order = np.flatnonzero(planted.lobe >= 0)
    phi = np.corrcoef(matrix[:, order].T.astype(float))
    lobe = planted.lobe[order]
    upper = np.triu(np.ones_like(phi, bool), 1)
    same = lobe[:, None] == lobe
    within, across = phi[same & upper], phi[~same & upper]
    if preference:
        # share of documents 1/3, so the multipliers are 2 and 0.5 and vary by 0.5
        p = planted.density[order]
        expected = 0.5 * np.sqrt(np.outer(p, p) / np.outer(1 - p, 1 - p))[same & upper].mean()
        assert within.mean() == pytest.approx(expected, rel=0.1)
        assert across.mean() == pytest.approx(-expected / 2, rel=0.1)
    else:
        n = len(matrix)
        for pairs in (within, across):
            assert n * (pairs**2).mean() == pytest.approx(1, abs=5 * np.sqrt(2 / len(pairs)))
            assert abs(pairs.mean()) < 4 / np.sqrt(n * len(pairs))


def test_blocks_are_what_the_catalog_takes() -> None:
    drawn = Blocks(SMALL, simulation.plant_features(SMALL)).draw(0)
    rows = drawn.blocks
    assert len(rows) == 512 * 3
    for active, peaks in rows:
        assert active.dtype == np.int32 and peaks.dtype == np.float32
        assert active.shape == peaks.shape and (np.diff(active) > 0).all()
    assert drawn.peaks.min() > 0
    assert np.median(drawn.peaks) == pytest.approx(np.e, rel=0.03)
    assert np.mean(drawn.peaks > 1) == pytest.approx(0.841, abs=0.01)


@pytest.mark.slow
def test_wide_chunks_are_drawn_too() -> None:
    # keys beyond 32 bits
    params = Params(features=2**21, active=50.0, blocks_per_document=1_024, **BARE)
    drawn = Blocks(params, simulation.plant_features(params)).draw(0)
    assert len(drawn.bounds) == 1_025
    assert len(drawn.features) / 1_024 == pytest.approx(50, rel=0.03)
    assert drawn.features.max() < 2**21 and drawn.features.min() >= 0


def _draws(params: Params, *chunks: int) -> list[list[Any]]:
    source = Blocks(params, simulation.plant_features(params))
    return [[a.tolist() for a in vars(source.draw(chunk)).values()] for chunk in chunks]


def test_seeded() -> None:
    assert _draws(SMALL, 2, 0) == _draws(SMALL, 0, 1, 2)[2::-2]
    assert _draws(SMALL, 0) != _draws(SMALL, 1)
    assert _draws(SMALL, 0) != _draws(replace(SMALL, seed=1), 0)
    assert _draws(SMALL, 0) == _draws(replace(SMALL, geometry=1.0, distractors=2), 0)
    one, other = _decoder(SMALL)[0], _decoder(SMALL)[0]
    assert (one.vectors == other.vectors).all() and one.crystals == other.crystals
    third = _decoder(replace(SMALL, seed=1))[0]
    assert not (one.vectors == third.vectors).any() and one.crystals != third.crystals


def _centroid_accuracy(geometry: float) -> float:
    """Balanced enough: lobes are even. Centroids of even rows, tested on odd ones."""
    params = Params(features=4_000, d_model=64, geometry=geometry, dead=0.0, lobes=4, **BARE)
    decoder, planted = _decoder(params)
    train, test = decoder.vectors[::2], decoder.vectors[1::2]
    centroids = np.stack([train[planted.lobe[::2] == lobe].mean(0) for lobe in range(4)])
    nearest = ((test[:, None] - centroids) ** 2).sum(-1).argmin(1)
    return float(np.mean(nearest == planted.lobe[1::2]))


def test_vectors_know_lobes_as_much_as_asked() -> None:
    assert _centroid_accuracy(0.0) == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 2_000))
    assert 0.35 < _centroid_accuracy(0.2) < 0.9
    assert _centroid_accuracy(1.0) > 0.95


def test_at_full_geometry_half_of_a_vector_is_its_lobe() -> None:
    params = Params(features=900, d_model=256, geometry=1.0, spectrum_exponent=0.0, **BARE)
    decoder, planted = _decoder(params)
    cosine = decoder.vectors @ decoder.vectors.T
    live = planted.lobe >= 0
    same = (planted.lobe[:, None] == planted.lobe) & live[:, None] & live & ~np.eye(900, dtype=bool)
    assert cosine[same].mean() == pytest.approx(0.5, abs=0.03)
    dead = cosine[~live][:, live]
    assert abs(dead.mean()) < 0.03 and dead.std() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [0.0, 0.4, 1.0])
def test_spectrum_falls_as_asked(exponent: float) -> None:
    params = Params(features=30_000, d_model=200, geometry=0.0, spectrum_exponent=exponent, **BARE)
    vectors = _decoder(params)[0].vectors
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    eigenvalues = np.linalg.eigvalsh(np.cov(vectors.T))[::-1][10:150]
    slope = np.polyfit(np.log(np.arange(11, 151)), np.log(eigenvalues), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.1)


CRYSTALLINE = Params(features=900, parallelograms=60, trapezoids=40, function_vectors=4)


def _sides(decoder: Decoder, without: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    vectors = decoder.vectors.astype(float)
    if without is not None:
        vectors -= (vectors @ without) @ without.T
    corners = np.array([(x.a, x.b, x.c, x.d) for x in decoder.crystals])
    a, b, c, d = (vectors[corners[:, i]] for i in range(4))
    return b - a, d - c


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(1) / lengths


def test_crystals_hold() -> None:
    decoder, _ = _decoder(CRYSTALLINE)
    assert [x.kind for x in decoder.crystals] == ["parallelogram"] * 60 + ["trapezoid"] * 40
    one, other = _sides(decoder)
    assert _cosines(one, other).min() > 0.85
    assert abs(_cosines(one, np.roll(other, 1, axis=0)).mean()) < 0.3  # of another direction
    lengths = np.linalg.norm(one, axis=1)
    assert lengths[:60].mean() == pytest.approx(simulation.decoder.STEP, abs=0.03)
    ratio = np.linalg.norm(other, axis=1) / lengths
    assert np.abs(ratio[:60] - 1).max() < 0.2
    shorter = np.minimum(ratio, 1 / ratio)[60:]
    assert shorter.min() > 0.4 and shorter.max() < 0.9 and shorter.std() > 0.05
    assert 0 < (ratio[60:] > 1).sum() < 40
    assert np.linalg.norm(decoder.vectors, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("d_model", [4, 8, 16])
def test_crystals_hold_in_few_dimensions(d_model: int) -> None:
    decoder, _ = _decoder(replace(CRYSTALLINE, d_model=d_model))
    assert _cosines(*_sides(decoder)).min() > 0.8


def test_no_feature_is_in_two_crystals_and_none_is_dead() -> None:
    params = replace(CRYSTALLINE, features=500, dead=0.2)  # all live features are needed
    decoder, planted = _decoder(params)
    corners = [corner for x in decoder.crystals for corner in (x.a, x.b, x.c, x.d)]
    assert len(corners) == len(set(corners)) == 400
    assert (planted.lobe[corners] >= 0).all()


def test_crystals_share_function_vectors() -> None:
    decoder, _ = _decoder(CRYSTALLINE)
    which = np.array([x.function_vector for x in decoder.crystals])
    assert set(which) == set(range(4))
    one, _ = _sides(decoder)
    unit = one / np.linalg.norm(one, axis=1, keepdims=True)
    cosine = unit @ unit.T
    same = which[:, None] == which
    assert cosine[same].min() > 0.8
    assert cosine[~same].max() < 0.6


@pytest.mark.parametrize("n", [1, 3])
def test_distractors_hide_crystals_until_projected_out(n: int) -> None:
    decoder, _ = _decoder(replace(CRYSTALLINE, distractors=n))
    assert decoder.distractors.shape == (128, n)
    hidden = _cosines(*_sides(decoder))
    assert hidden.mean() < 0.7 and hidden.min() < 0.2
    assert _cosines(*_sides(decoder, decoder.distractors)).min() > 0.85
    assert np.linalg.norm(decoder.vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_parameters_name_themselves() -> None:
    assert Params(features=16_384).mean_active == 1_090
    assert Params(active=2 * Params(features=512).mean_active).config() == Params().config()
    assert Params(subsets=9).config() == Params().config() != Params(seed=1).config()
    assert Params().config()["simulated"] is True


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"features": 0}, "--features 0 is out of range"),
        ({"d_model": 16_001}, "from 1 to 16,000"),
        ({"preference": 1.5}, "--preference 1.5 is out of range"),
        ({"geometry": -0.1}, "--geometry -0.1 is out of range"),
        ({"density_exponent": float("nan")}, "--density-exponent nan is out of range"),
        ({"function_vectors": 0}, "--function-vectors 0 is out of range"),
        ({"seed": -1}, "--seed -1 is out of range"),
        ({"dead": 1.0}, "3 lobes cannot be planted in 0 live features"),
        ({"lobes": 1_010}, "1,010 lobes cannot be planted in 1,004 live features"),
        ({"active": 0.0}, "0 active features per block cannot"),
        ({"active": 954.0}, "at most 953.8"),
        ({"parallelograms": 252}, "262 crystals need 1,048 live features"),
        ({"d_model": 5, "distractors": 3}, "at least 6"),
        ({"distractors": 1, **BARE}, "there is no crystal"),
    ],
)
def test_params_that_cannot_be_met(params: dict[str, Any], says: str) -> None:
    with pytest.raises(errors.InputError) as caught:
        Params(**params)
    assert says in str(caught.value)
    assert caught.value.hint
