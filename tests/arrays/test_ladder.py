"""Does each rung stand where the truth is known, in order, with honest errors and bounds?"""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, stats

from inference.arrays import ladder as module
from inference.arrays.blocks import block_bounds
from inference.arrays.ladder import joint_groups, ladder
from inference.arrays.sign_flips import random_signs

RUNGS = ("tv", "conditional", "coupled")


def climbed(values, *, effective=None, **options):
    """Kernel on (measurement, world, chain, draw[, future]), draws independent unless told."""
    values = values if values.ndim == 5 else values[..., None]
    chains, draws, futures = values.shape[2:]
    effective = float(chains * draws) if effective is None else effective
    bounds = block_bounds(chains, draws, futures, effective=float(np.min(effective)))
    signs = random_signs(1000, len(bounds) - 1)
    return ladder(values, bounds=bounds, signs=signs, effective=effective, **options)


def hurricane(reshuffled, steered, *, places=50, draws=1000, futures=10, seed=0):
    """The butterfly decides where it strikes in either world; the disciple may steer it to 0."""
    rng = np.random.default_rng(seed)
    off = rng.integers(0, places, (4, draws, 1))
    anew = rng.random(off.shape) < reshuffled
    on = np.where(anew, rng.integers(0, places, off.shape), off)
    on = np.where(rng.random((4, draws, futures)) < steered, 0, on)
    return np.stack([np.broadcast_to(off, on.shape), on])[None].astype(float)


def wandering(spread, *, draws=50, futures=400, seed=0, measurements=1, shift=0.0):
    """Each world has a level of its own in every draw, and noise of deviation 1 around it."""
    rng = np.random.default_rng(seed)
    levels = spread * rng.normal(size=(measurements, 2, 4, draws, 1))
    noise = rng.normal(size=(measurements, 1, 4, draws, futures))
    return levels + noise + shift * np.arange(2)[:, None, None, None]


def coarse_truth(spread, cells=16):
    """E_z tv(.|z) of the same in the cells of the erased world, by a grid of levels."""
    levels = stats.norm.ppf((np.arange(400) + 0.5) / 400) * spread
    cuts = np.concatenate([[0.001], np.arange(1, cells) / cells, [0.999]])
    edges = stats.norm.ppf(cuts) * np.hypot(spread, 1)
    masses = np.diff(stats.norm.cdf(edges, levels[:, None], 1), prepend=0, append=1, axis=1)
    return 0.5 * np.mean([abs(masses - row).sum(axis=1).mean() for row in masses])


@pytest.mark.parametrize(
    ("reshuffled", "steered", "truths"),
    [(1, 0, (0, 0.98, 0.98)), (0.3, 0, (0, 0.294, 0.294)), (1, 0.1, (0.098, 0.98, 0.98))],
)
def test_a_hurricane_climbs_the_ladder(reshuffled, steered, truths):
    found = climbed(hurricane(reshuffled, steered, futures=40))
    for rung, truth in zip(RUNGS, truths, strict=True):
        assert found[f"{rung}_lower"].item() <= truth <= found[f"{rung}_upper"].item()
    # The corrected estimate of a zero is anything up to some of its floor.
    allowed = found["tv_floor"].item() / 2 + 4 * found["tv_mcse"].item()
    assert found["tv"].item() == pytest.approx(truths[0], abs=allowed)
    for rung, truth in zip(RUNGS[1:], truths[1:], strict=True):
        error = found[f"{rung}_mcse"].item()
        assert found[rung].item() == pytest.approx(truth, abs=4 * error + 0.003)
    assert found["chaos"].item() == found["coupled"].item() - found["tv"].item()


@pytest.mark.parametrize(("spread", "fine"), [(1, 0.391827), (5, 0.824520)])
def test_levels_that_wander_apart_are_seen_given_the_draw_and_not_without(spread, fine):
    assert fine == pytest.approx(2 / np.pi * np.arctan(spread / np.sqrt(2)), abs=1e-6)
    for cells in (16, 64):
        found = climbed(wandering(spread, draws=100), cells=cells)
        coarse = coarse_truth(spread, cells)
        assert found["conditional_lower"].item() <= coarse <= found["conditional_upper"].item()
        error = 4 * found["conditional_mcse"].item() + 0.01
        assert found["conditional"].item() == pytest.approx(coarse, abs=error)
        assert coarse == pytest.approx(fine, abs=0.013 if cells == 16 else 0.003)
        assert found["tv_lower"].item() == 0
        assert found["coupled"].item() > found["conditional"].item()


@pytest.mark.parametrize("futures", [2, 3, 5])
def test_few_futures_tell_exactly_as_much_as_the_signs_of_the_others_do(futures):
    on, off, repeats = 0.7, 0.3, 50
    rng = np.random.default_rng(0)
    chances = np.array([off, on])[:, None, None, None]
    flips = (rng.random((repeats, 2, 4, 250, futures)) < chances).astype(float)
    # By enumeration: the mean sign of all futures but one, times the true difference.
    law = {1: on * (1 - off), -1: off * (1 - on), 0: on * off + (1 - on) * (1 - off)}
    rest = product(law.items(), repeat=futures - 1)
    expected = sum(
        np.sign(sum(gap for gap, _ in one)) * np.prod([p for _, p in one]) for one in rest
    ) * (on - off)
    # z says nothing here, and tv sees the difference plainly: look at what the draws alone say.
    found = module._within_draws(*coded(flips), rows_of(flips), np.full(repeats, 1000.0))
    error = found[""].std(ddof=1) / np.sqrt(repeats)
    assert found[""].mean() == pytest.approx(expected, abs=4 * error)
    assert found["_mcse"].mean() == pytest.approx(found[""].std(ddof=1), rel=0.4)


def coded(flips):
    """Cells of a coin: erased, let in (row by row), and which of them the erased world visits."""
    rows = flips.reshape(len(flips), 2, -1).astype(np.uint8)
    return rows[:, 1], rows[:, 0], np.ones((len(flips), 2), bool)


def rows_of(values):
    chains, draws, futures = values.shape[2:]
    bounds = block_bounds(chains, draws, futures, effective=float(chains * draws))
    signs = random_signs(100, len(bounds) - 1)
    return module._Rows.of(values.shape[2:], bounds, signs, None)


@pytest.mark.parametrize("futures", [2, 6, 30])
def test_equal_worlds_show_nothing_given_the_draw_however_few_its_futures(futures):
    rng = np.random.default_rng(3)
    past = rng.normal(size=(100, 1, 4, 50, 1))
    values = past + rng.normal(size=(100, 2, 4, 50, futures))
    found = climbed(values)
    # A plug-in of two futures would say .9; what is left is the noise of the first rung.
    assert found["conditional"].mean() < found["tv"].mean() + 0.01
    assert np.mean(found["conditional_lower"] > 0) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


@pytest.mark.parametrize("futures", [2, 5, 40])
@pytest.mark.parametrize(("spread", "shift"), [(0, 0), (0, 1), (1, 0), (3, 0)])
def test_the_bounds_of_the_middle_rung_cover_it(spread, shift, futures):
    repeats = 200
    values = wandering(spread, futures=futures, measurements=repeats, shift=shift, seed=5)
    found = climbed(values)
    truth = coarse_truth(spread) if spread else 0.3829 * shift
    allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)
    assert np.mean(found["conditional_lower"] > truth) <= allowed
    assert np.mean(found["conditional_upper"] < truth) <= allowed


def test_the_bounds_cover_it_given_groups():
    repeats, rng = 300, np.random.default_rng(0)
    group = rng.integers(0, 4, (4, 500))
    means = np.array([[0.0, 0, 0, 0], [-1, 1, -1, 1]])[:, group]
    values = means + rng.normal(size=(repeats, 2, 4, 500))
    found = climbed(values, groups=group.ravel())
    inner = np.concatenate([[0.001], np.arange(1, 16) / 16, [0.999]])
    masses = np.diff(stats.norm.cdf(stats.norm.ppf(inner), [[0], [1]], 1), prepend=0, append=1)
    truth = 0.5 * abs(masses[1] - masses[0]).sum()
    for end, missed in (("lower", np.greater), ("upper", np.less)):
        share = np.mean(missed(found[f"conditional_{end}"], truth))
        assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)
    assert found["conditional"].mean() == pytest.approx(truth, abs=0.02)
    # The mixture of both shifts is no shift, but wider.
    wider = np.diff(stats.norm.cdf(stats.norm.ppf(inner), [[-1], [1]], 1), prepend=0, append=1)
    whole = 0.5 * abs(wider.mean(axis=0) - masses[0]).sum()
    assert found["tv"].mean() == pytest.approx(whole, abs=0.02)


def test_given_nothing_new_the_middle_rung_is_the_first():
    found = climbed(wandering(1, futures=1), groups=np.zeros(200, np.int64))
    for end in ("", "_mcse", "_floor"):
        assert found[f"conditional{end}"] == found[f"tv{end}"]
    # Each of its bounds is the better of two, and so a little wider than one alone.
    assert found["conditional_lower"] <= found["tv_lower"]
    wider = (1.96 - 1.645) * found["tv_mcse"]
    assert found["conditional_upper"] - found["tv_upper"] == pytest.approx(wider, rel=1e-3)


def test_a_coarser_z_shows_no_more_than_a_finer_one():
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 8, (4, 2000))
    levels = rng.normal(size=(2, 8))[:, fine] + rng.normal(size=(30, 1, 4, 2000))
    found = [climbed(levels, groups=fine.ravel() // step) for step in (8, 4, 2, 1)]
    rungs = np.array([f["conditional"].ravel() for f in found])
    errors = np.array([f["conditional_mcse"].ravel() for f in found])
    assert (np.diff(rungs, axis=0) > -4 * np.hypot(errors[1:], errors[:-1])).all()
    assert (np.diff(rungs.mean(axis=1)) > 0).all()


def test_with_a_single_future_the_middle_rung_is_bracketed_by_its_neighbours():
    found = climbed(hurricane(1, 0.1, futures=1))
    assert found["conditional"] == found["tv"]
    assert found["conditional_lower"] == found["tv_lower"]
    assert found["conditional_upper"] == found["coupled_upper"]


@given(
    seed=st.integers(0, 10**6),
    futures=st.integers(1, 4),
    levels=st.integers(2, 200),
    alike=st.floats(0, 1),
    grouped=st.booleans(),
)
def test_the_rungs_stand_in_order_within_zero_and_one(seed, futures, levels, alike, grouped):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, levels, (2, 3, 2, 30, futures)).astype(float)
    same = rng.random(values[:, 0].shape) < alike
    values[:, 1] = np.where(same, values[:, 0], values[:, 1])
    groups = rng.integers(0, 3, 60 * futures) if grouped else None
    found = climbed(values, groups=groups)
    first, second, third = (found[rung] for rung in RUNGS)
    assert (first >= 0).all() and (third <= 1).all()
    assert (first <= second).all() and (second <= third).all()
    assert found["chaos"] == pytest.approx(third - first)
    for rung in RUNGS:
        assert (found[f"{rung}_lower"] <= found[f"{rung}_upper"]).all()
    if grouped or futures > 1:  # the better of two bounds, each at 97.5 %
        further = 1.96 - 1.645
        least = found["tv_lower"] - further * 1.2795 * found["tv_mcse"]
        most = found["coupled_upper"] + further * found["coupled_mcse"]
        assert (found["conditional_lower"] >= least - 1e-9).all()
        assert (found["conditional_upper"] <= most + 1e-9).all()
    assert all(np.isfinite(value).all() for value in found.values())
    assert all(value.shape == (2, 2) for value in found.values())


@given(seed=st.integers(0, 10**6), futures=st.integers(1, 3))
def test_an_increasing_map_changes_nothing(seed, futures):
    values = np.random.default_rng(seed).normal(size=(1, 2, 2, 40, futures))
    before, after = climbed(values), climbed(np.exp(values / 4))
    for name in before:
        assert before[name] == pytest.approx(after[name])


def test_the_errors_are_those_of_repetition_also_in_slow_chains():
    rng, repeats, rho = np.random.default_rng(0), 200, 0.9
    noise = rng.normal(size=(repeats, 1, 4, 3000)) * np.sqrt(1 - rho**2)
    slow = signal.lfilter([1], [1, -rho], noise)[..., 1000:]
    # The world changes where the slow past is high, and stays changed for as long. Its values are
    # whole numbers: where quantile cells lie depends on the draws, which is no part of the error.
    level = np.floor(1.5 * slow)
    values = np.concatenate([level, np.where(slow > 0, level + 1, level)], axis=1)
    found = climbed(values, effective=8000 * (1 - rho) / (1 + rho))
    for rung in ("coupled", "tv", "chaos"):
        spread = found[rung].std(ddof=1)
        assert np.sqrt(np.mean(found[f"{rung}_mcse"] ** 2)) == pytest.approx(spread, rel=0.25)
    assert (found["ess"] < 8000 * 0.15).all()


def test_a_change_that_hangs_on_a_slow_past_is_judged_by_it_though_the_values_are_quick():
    rng, rho = np.random.default_rng(0), 0.995
    slow = signal.lfilter([1], [1, -rho], rng.normal(size=(1, 1, 4, 3000)))[..., 1000:]
    quick = rng.normal(size=slow.shape)
    values = np.concatenate([quick, np.where(slow > 0, -quick, quick)], axis=1)
    found = climbed(values)
    assert found["ess"].item() < 200
    assert found["coupled_mcse"].item() > 3 * np.sqrt(0.25 / 8000)


def test_draws_that_are_worth_nothing_say_nothing():
    found = climbed(wandering(1, futures=3), effective=4.0)
    for rung in RUNGS:
        assert (found[f"{rung}_lower"].item(), found[f"{rung}_upper"].item()) == (0, 1)
        assert found[f"{rung}_mcse"].item() == 1


def test_what_never_changed_is_certified_by_the_draws_of_the_slowest_latent():
    same = np.repeat(np.random.default_rng(0).normal(size=(1, 1, 4, 500)), 2, axis=1)
    assert climbed(same)["coupled_upper"].item() == pytest.approx(3 / 2000)
    assert climbed(same, slowest=150.0)["coupled_upper"].item() == pytest.approx(3 / 150)


@pytest.mark.parametrize("kind", ["draws", "groups"])
def test_measurements_in_parts_of_any_size_give_the_same(kind, monkeypatch):
    values = np.concatenate([wandering(1, futures=4), hurricane(1, 0.1, draws=50, futures=4)])
    groups = np.arange(800) % 3 if kind == "groups" else None
    together = climbed(np.repeat(values, 3, axis=0), groups=groups)
    monkeypatch.setattr(module, "CHUNK", 1)
    apart = climbed(np.repeat(values, 3, axis=0), groups=groups)
    for name in together:
        assert together[name] == pytest.approx(apart[name], rel=1e-6)


def test_groups_are_levels_where_few_and_equal_shares_where_many():
    rng = np.random.default_rng(0)
    flag, price = rng.integers(0, 2, 4000), rng.normal(size=4000)
    rain = np.where(rng.random(4000) < 0.6, 0.0, rng.exponential(size=4000))
    assert joint_groups(flag[None].astype(float)).tolist() == flag.tolist()
    shares = np.bincount(joint_groups(price[None])) / 4000
    assert shares == pytest.approx(0.25)
    dry = joint_groups(rain[None])
    assert len(set(dry[rain == 0])) == 1
    assert not set(dry[rain == 0]) & set(dry[rain > 0])
    assert joint_groups(np.stack([flag, price])).max() == 7
    many = joint_groups(rng.normal(size=(100, 50)))
    assert sorted(set(many)) == list(range(50))
