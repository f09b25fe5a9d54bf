"""Do counts alone tell how many independent draws a series is worth?"""

import numpy as np
import pytest
from scipy import signal

from inference.arrays.blocks import block_bounds, effective_draws
from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells
from inference.arrays.effective_counts import (
    effective_from_counts,
)


def judged(values):
    """Effective draws of (measurement, chain, draw), by counts."""
    chains, draws = values.shape[1:]
    rows = values.reshape(len(values), -1)
    bounds = block_bounds(chains, draws, effective=float(rows.shape[1]))
    return effective_from_counts(block_counts(rows, Cells().edges(rows), bounds), bounds, chains)


def autoregressions(rho, shape, seed=0):
    noise = np.random.default_rng(seed).normal(size=(*shape[:-1], shape[-1] + 1500))
    return signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=-1)[..., 1500:]


@pytest.mark.parametrize("levels", [np.asarray, lambda z: z > 0, lambda z: z > 2.3])
def test_independent_draws_count_as_many(levels):
    found = judged(levels(np.random.default_rng(0).normal(size=(4000, 4, 250))).astype(np.float32))
    assert np.mean(found >= 0.7 * 1000) >= 0.95


@pytest.mark.parametrize(
    ("rho", "least", "most"), [(0.5, 0.8, 1.3), (0.9, 0.8, 1.3), (0.99, 0.7, 1.6)]
)
@pytest.mark.parametrize("chains", [1, 4])
def test_slow_chains_count_as_their_closed_form_says(rho, least, most, chains):
    values = autoregressions(rho, (300, chains, 4000 // chains))
    ratio = judged(values) / (4000 * (1 - rho) / (1 + rho))
    assert least < np.median(ratio) < most
    assert np.quantile(ratio, 0.95) < 2.2


def test_counts_agree_with_draws():
    values = autoregressions(0.95, (100, 4, 1000))
    by_draws = effective_draws(values[:, None])[:, 0]
    assert np.median(judged(values) / by_draws) == pytest.approx(1, abs=0.25)


def test_a_spread_that_is_slow_is_seen():
    calm = np.exp(autoregressions(0.99, (50, 4, 1000)))
    swelling = calm * np.random.default_rng(1).normal(size=calm.shape)
    assert np.median(judged(swelling)) < 200


def test_chains_that_never_met_count_as_one_draw_each():
    values = np.random.default_rng(0).normal(size=(50, 4, 1000))
    values += 3 * np.arange(4)[:, None]
    assert (judged(values) <= 4).all()


def test_a_constant_counts_every_draw():
    assert judged(np.zeros((1, 4, 100)))[0] == 400
