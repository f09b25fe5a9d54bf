"""Do all measurements together become outputs of one scale, whose information is the exact one?"""

import numpy as np
import pytest
from closed_forms.linear_gaussian import LinearGaussian
from closed_forms.trees import scored_tree

from counterfactual_models.errors import CounterfactualError, ImpactWarning, MeasurementError
from inference.arrays.score_covariance import block_slopes, squared_norms
from inference.diagnostics.outputs import whitened_outputs
from inference.diagnostics.scored import ScoredWorlds

RNG = np.random.default_rng(2)
WORLD = LinearGaussian(
    np.eye(3), RNG.normal(size=(5, 3)), np.eye(5), RNG.normal(size=(4, 3)), 0.0, np.eye(4)
)
E = RNG.normal(size=5)


def scored(draws=1000, futures=1, values=lambda w: w, **given):
    drawn = WORLD.draw(E, draws=draws, futures=futures, seed=1)
    worlds = {"erased": drawn.w, "other": 3 * drawn.w + 1}
    return ScoredWorlds(
        scored_tree({name: values(w) for name, w in worlds.items()}, drawn.score, **given)
    )


@pytest.mark.parametrize("kind", ["cells", "moments", "measurements"])
def test_the_erased_world_is_white_but_for_what_whitening_took(kind):
    own = whitened_outputs(scored(), outputs=kind)
    rows = own.rows["erased"]
    given_back = 1 / (1 - len(rows) / 4000)
    assert np.allclose(np.cov(rows, bias=True) / given_back, np.eye(len(rows)), atol=0.005)
    assert len(rows) == 4 * {"cells": 7, "moments": 2, "measurements": 1}[kind]
    assert own.rows["other"].shape == rows.shape


@pytest.mark.parametrize("futures", [1, 4])
def test_whitened_slopes_have_the_length_of_the_fisher_information(futures):
    given = scored(futures=futures)
    own = whitened_outputs(given, outputs="measurements")
    blocks = block_slopes(own.rows["erased"], given.scores("erased"), given.bounds)
    length, mcse, _ = squared_norms(blocks)
    assert np.all(np.abs(length - np.diag(WORLD.fisher)) < 4.5 * mcse)


def test_several_futures_of_a_draw_count_for_the_spread_of_single_ones():
    rows = whitened_outputs(scored(futures=8), outputs="measurements").rows["erased"]
    # What the futures of a draw share is less than the whole.
    assert np.all(np.linalg.eigvalsh(np.cov(rows)) < 0.95)


def test_units_and_offsets_do_not_matter():
    plain = whitened_outputs(scored(), outputs="moments").rows["other"]
    moved = whitened_outputs(scored(values=lambda w: 1e-3 * w + 50), outputs="moments")
    assert np.allclose(plain @ plain.T, moved.rows["other"] @ moved.rows["other"].T, rtol=1e-4)


def test_derivatives_of_their_own_are_put_on_the_same_scale():
    direct = np.ones((2, 20, 4, 5))
    given = scored(direct=direct)
    own = whitened_outputs(given, outputs="measurements")
    white = np.linalg.inv(np.linalg.cholesky(np.cov(scored_rows(given), bias=True)))
    length = np.sum((white @ np.ones((4, 5))) ** 2)
    assert np.isclose(np.sum(own.direct["erased"][0] ** 2), length * (1 - 4 / 4000), rtol=1e-3)
    with pytest.raises(MeasurementError, match="computed from the evidence"):
        whitened_outputs(given, outputs="cells")


def scored_rows(given):
    return np.concatenate([part.values[:, 0, :, 0] for part in given.parts()])


def test_there_are_as_many_cells_as_the_rows_can_bear():
    assert whitened_outputs(scored(1000)).cells == 8
    assert whitened_outputs(scored(100)).cells == 6
    with pytest.warns(ImpactWarning, match="effective rows"):
        assert whitened_outputs(scored(100), cells=16).cells == 16
    with pytest.raises(CounterfactualError, match="keep fewer"):
        whitened_outputs(scored(50), cells=16)
    with pytest.raises(CounterfactualError, match="outputs='sells'"):
        whitened_outputs(scored(), outputs="sells")


def test_a_future_in_which_nothing_varies_is_refused():
    with pytest.raises(MeasurementError, match="varies in the erased world"):
        whitened_outputs(scored(values=lambda w: 0 * w))
