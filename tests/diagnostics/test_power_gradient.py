"""Is the slope of the target's bits that of closed forms, with the errors of both averages?"""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from counterfactual_models.errors import WorldError
from inference.diagnostics.power_gradient import power_gradient

LN2 = np.log(2)


def tree(usual, rare, dims=("chain", "draw"), **groups):
    own = ["item"] if rare.ndim == 2 else []
    scores = xr.Dataset({"e": ([*dims, *own], usual)})
    far = xr.Dataset({"e": (["rare_run", *own], rare)}, attrs={"target": 3.0})
    return xr.DataTree.from_dict({"evidence_scores": scores, "rare_scores": far, **groups})


def worlds_of(seed, target=3.0, runs=4, draws=400):
    """Utility N(e, 1) at e = 0: the score is w, and the slope is minus the hazard."""
    rng = np.random.default_rng(seed)
    usual = rng.normal(size=(4, draws))
    rare = stats.truncnorm(target, np.inf).rvs((runs, draws), random_state=rng).mean(axis=1)
    return tree(usual, rare)


def test_the_slope_of_a_normal_within_its_errors():
    """Forty deviates, of a t of few degrees: their median square is near .5."""
    truth = -np.exp(stats.norm.logpdf(3.0) - stats.norm.logsf(3.0)) / LN2
    found = [power_gradient(worlds_of(seed)) for seed in range(40)]
    deviates = [((one["gradient"] - truth) / one["mcse"]).item() for one in found]
    assert np.abs(deviates).max() < 6
    assert 0.2 < np.median(np.square(deviates)) < 1.2


def test_the_error_of_the_usual_scores_counts():
    rng = np.random.default_rng(0)
    found = power_gradient(tree(rng.normal(size=(4, 100)), np.full(4, -1.0)))
    assert abs(found["mcse"].item() - 0.05 / LN2) < 0.02


def test_futures_data_and_disciples_are_laid_out():
    rng = np.random.default_rng(0)
    usual = rng.normal(size=(2, 4, 50, 3, 2))
    rare = rng.normal(size=(4, 2)) - 5
    worlds = tree(usual, rare, ("disciple", "chain", "draw", "future"))
    group = worlds["evidence_scores"].to_dataset().assign_coords(disciple=["greedy", "erased"])
    worlds["evidence_scores"] = xr.DataTree(group)
    found = power_gradient(worlds)
    assert found["datum"].values.tolist() == ["e[0]", "e[1]"]
    exact = -(rare.mean(0) - usual[1].mean(axis=(0, 1, 2))) / LN2
    np.testing.assert_allclose(found["gradient"], exact)


def test_one_run_does_not_know_its_error():
    found = power_gradient(tree(np.zeros((4, 10)), np.array([-1.0])))
    assert np.isinf(found["mcse"]).all() and found.attrs["runs"] == 1


@pytest.mark.parametrize("worlds", [xr.DataTree(), xr.Dataset()])
def test_worlds_without_scores_are_told_how_to_get_them(worlds):
    with pytest.raises(WorldError, match="with_scores"):
        power_gradient(worlds)
