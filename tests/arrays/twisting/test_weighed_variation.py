"""Do the cells of reweighed worlds differ as exact reweighing says, and noise as it should?"""

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from inference.arrays.blocks import block_bounds, effective_draws, widening
from inference.arrays.cells import Cells
from inference.arrays.sign_flips import random_signs
from inference.arrays.total_variation import total_variation
from inference.arrays.twisting.weighed_variation import weighed_variations
from inference.arrays.twisting.weighed_worlds import log_ratio, weighed_world

BOUNDS = block_bounds(4, 1000, effective=4000.0)
SIGNS = random_signs(1000, len(BOUNDS) - 1)


def compared(values, weights, *, effective=4000.0, worth=None, bounds=BOUNDS, cells=None):
    shape = values.shape[1] - 1, len(values)
    return weighed_variations(
        values,
        weights,
        bounds=bounds,
        signs=random_signs(1000, len(bounds) - 1),
        effective=np.full(shape, effective),
        worth=np.full(shape, effective if worth is None else worth),
        cells=cells,
    )


@pytest.mark.parametrize("effective", [4000.0, 100.0, 30.0])
def test_equal_weights_give_the_numbers_of_total_variation(effective):
    rng = np.random.default_rng(6)
    values = rng.normal(size=(6, 3, 4000))
    values[:, 1] += np.linspace(0, 1, 6)[:, None]
    values[3] = np.rint(values[3])
    values[4, 2] += 9.0  # novel
    values[5, :2], values[5, 2] = 0.0, rng.random(4000) < 0.001
    values[0] = lfilter([0.2], [1, -0.98], values[0], axis=-1)
    plain = total_variation(values, bounds=BOUNDS, signs=SIGNS, effective=effective)
    even = compared(values, np.full((3, 4000), 1 / 4000), effective=effective)
    for name, found in even.items():
        np.testing.assert_allclose(found, plain[name], rtol=1e-5, atol=1e-9, err_msg=name)


def test_numbers_do_not_depend_on_the_company_of_other_measurements():
    values = np.random.default_rng(7).normal(size=(5, 2, 4000))
    values[2] = np.rint(values[2])
    weights = np.stack([weighed_world(0.5 * one).weights for one in values[0]])
    together = compared(values, weights)
    for place in range(5):
        alone = compared(values[place : place + 1], weights)
        for name, found in together.items():
            np.testing.assert_allclose(alone[name][:, 0], found[:, place], rtol=1e-5, err_msg=name)


def test_discrete_worlds_agree_with_exact_enumeration_and_not_with_the_wrong_sign():
    rng = np.random.default_rng(8)
    off, on = np.array([0.5, 0.3, 0.15, 0.05]), np.array([0.3, 0.3, 0.15, 0.25])
    worlds = np.stack([rng.choice(4, size=4000, p=law) for law in (off, on)]).astype(float)
    log_measure = np.array([0.0, -1.0, 1.0, 0.7])
    truths = []
    for sign in (1, -1):
        twisted = [law * np.exp(sign * log_measure) for law in (off, on)]
        truths.append(0.5 * np.abs(np.subtract(*(law / law.sum() for law in twisted))).sum())
    weighed = [weighed_world(log_measure[world.astype(int)]) for world in worlds]
    found = compared(worlds[None], np.stack([one.weights for one in weighed]), worth=2500.0)
    found = {name: value.item() for name, value in found.items()}
    assert abs(truths[0] - truths[1]) > 10 * found["mcse"]
    assert abs(found["tv"] - truths[0]) < 4 * found["mcse"]
    assert found["lower"] < truths[0] < found["upper"]
    ratio, error = log_ratio(*weighed[::-1], bounds=BOUNDS, wider=1.0)
    truth = np.log((on * np.exp(log_measure)).sum() / (off * np.exp(log_measure)).sum())
    assert abs(ratio - truth) < 4 * error < 0.15


def test_cells_of_the_untwisted_erased_world_stay_where_they_are():
    # M rules the erased world's upper half out: it was visited all the same, and is not novel.
    values = np.random.default_rng(9).normal(size=(1, 2, 4000))
    weights = np.stack(
        [weighed_world(np.where(one > 0, limit, 0.0)).weights
         for one, limit in zip(values[0], (-np.inf, 0.0), strict=True)]
    )  # fmt: skip
    found = compared(values, weights, worth=2000.0, cells=Cells.quantile(4, tails=0))
    assert found["plugin"].item() == pytest.approx(0.5, abs=0.03)
    assert (found["lower"] > 0.4).all() and (found["p"] < 1e-4).all()


def test_few_draws_of_weights_prove_nothing():
    values = np.random.default_rng(10).normal([[[0.0], [3.0]]], size=(1, 2, 4000))
    found = compared(values, np.full((2, 4000), 1 / 4000), worth=5.0)
    assert [found[name].item() for name in ("p", "mcse", "lower", "upper")] == [1, 1, 0, 1]


def simulated(kind, shift, tilt, seed):
    """One study: log ratio and its error, and the numbers of a measurement that M looks at."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, 4, 1200))
    if "slow" in kind:
        noise = lfilter([np.sqrt(1 - 0.81)], [1, -0.9], noise, axis=-1)
    if "shared" in kind:
        noise[1] = 0.9 * noise[0] + np.sqrt(1 - 0.81) * noise[1]
    worlds = noise[..., 200:] + np.array([0.0, shift])[:, None, None]
    sizes = effective_draws(worlds[None])[0]
    size, flat = float(sizes.min()), worlds.reshape(2, -1)
    bounds = block_bounds(4, 1000, effective=size)
    weighed = [weighed_world(tilt * one, share=size / 4000) for one in flat]
    ratio = log_ratio(*weighed[::-1], bounds=bounds, wider=widening(size, len(bounds) - 1))
    found = compared(
        flat[None],
        np.stack([one.weights for one in weighed]),
        bounds=bounds,
        effective=size,
        worth=min(one.ess for one in weighed),
    )
    return *ratio, *(found[n].item() for n in ("p", "plugin", "floor", "mcse", "lower", "upper"))


@pytest.mark.parametrize("kind", ["independent", "shared", "slow", "slow shared"])
def test_the_same_twisted_world_is_called_different_as_often_as_asked_for(kind):
    studies = np.array([simulated(kind, 0.0, 0.5, seed) for seed in range(120)]).T
    ratio, error, p, plugin, floor, _, lower, _ = studies
    # Of 120 studies 6 are expected below .05; 14 or more once in 500 times.
    assert np.count_nonzero(p <= 0.05) <= 13
    assert (np.abs(ratio) < 1.96 * error).mean() > 0.85
    assert ratio.std() == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.25)
    assert floor.mean() == pytest.approx(plugin.mean(), rel=0.08)
    assert np.count_nonzero(lower > 0) <= 13


@pytest.mark.parametrize("kind", ["independent", "shared", "slow"])
def test_a_moved_world_lies_between_the_bounds_as_often_as_asked_for(kind):
    tilt, shift = 0.5, 0.5
    studies = np.array([simulated(kind, shift, tilt, seed) for seed in range(80)]).T
    ratio, _, _, plugin, _, mcse, lower, upper = studies
    edges = np.sort(stats.norm.ppf([0, 0.001, *np.arange(1, 16) / 16, 0.999, 1]))
    laws = [np.diff(stats.norm.cdf(edges - tilt - own)) for own in (shift, 0.0)]
    truth = 0.5 * np.abs(np.subtract(*laws)).sum()
    assert abs(np.mean(ratio) - tilt * shift) < 4 * ratio.std() / np.sqrt(80)
    assert np.count_nonzero(lower > truth) <= 10
    assert np.count_nonzero(upper < truth) <= 10
    assert plugin.std() == pytest.approx(mcse.mean(), rel=0.3)


def test_what_m_does_not_look_at_is_judged_by_its_own_noise_alone():
    # Blocks that M makes heavy in one world, and light in the other, are no difference.
    found = []
    for seed in range(60):
        looked_at, other = np.random.default_rng(seed).normal(size=(2, 2, 4000))
        looked_at += np.repeat(np.random.default_rng(seed + 99).normal(size=(2, 40)), 100, axis=1)
        weights = np.stack([weighed_world(0.5 * one).weights for one in looked_at])
        found.append(compared(other[None], weights, worth=2000.0)["p"].item())
    # Were the worlds the same, p would be uniform: mean 1/2, deviation .29.
    assert abs(np.mean(found) - 0.5) < 4 * 0.29 / np.sqrt(60)


def test_blocks_that_resemble_each_other_are_believed_less():
    values = np.random.default_rng(14).normal([[[0.0], [0.1]]], size=(1, 2, 4000))
    weights = np.stack([weighed_world(0.5 * one).weights for one in values[0]])
    quick, slow = (compared(values, weights, effective=n, worth=100.0) for n in (4000.0, 100.0))
    wider = float(widening(100.0, len(BOUNDS) - 1))
    assert slow["mcse"].item() == pytest.approx(wider * quick["mcse"].item())
    assert 1.0 <= slow["floor"].item() / quick["floor"].item() <= wider
    assert slow["lower"].item() <= quick["lower"].item()
