"""Does knowing the goal tell what it should on trees: truth, layout, refusals, counted worlds?"""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference.arrays.blocks import block_bounds
from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells
from inference.diagnostics.coarse_graining import coarse_graining
from inference.diagnostics.motive_importance import motive_importance
from inference.schema import CELL_COUNTS, encode_attrs

DIMS = ["disciple", "chain", "draw", "future"]
CHAINS, DRAWS = 4, 1000
BY_MEASUREMENT = {"bits", "plugin", "floor", "share", "mcse", "lower", "upper", "p", "q", "ess"}
BY_DISCIPLE = {"divergence", "divergence_mcse"}
JOINT = {"joint", "joint_mcse", "joint_lower", "joint_p"}


def tree(disciples, **measured):
    """Worlds of given draws, each of shape (1 + disciples, chain, draw[, future])."""
    variables = {
        name: (DIMS[: np.ndim(values)], values, {"role": "measurement"})
        for name, values in measured.items()
    }
    switch = ("disciple", [0] + [1] * len(disciples))
    drawn = xr.Dataset(variables, coords={"disciple": ["erased", *disciples], "X": switch})
    return xr.DataTree.from_dict({"predictions": drawn})


def shifted(*shifts, draws=DRAWS, seed=0):
    noise = np.random.default_rng(seed).normal(size=(1 + len(shifts), CHAINS, draws))
    return noise + np.array([0.0, *shifts])[:, None, None]


def counted(worlds):
    """Counts of the draws of such worlds, as they are kept."""
    drawn = worlds["predictions"].to_dataset()
    rows = CHAINS * DRAWS
    bounds = block_bounds(CHAINS, DRAWS, effective=float(rows))
    attrs = {"chains": CHAINS, "draws": DRAWS, "bounds": bounds.tolist()}
    groups = {CELL_COUNTS: xr.Dataset(attrs=encode_attrs(attrs))}
    for name, variable in drawn.data_vars.items():
        values = variable.values.reshape(-1, 1, rows)
        edges = Cells().edges(values[0], rows)
        counts = np.stack([block_counts(world, edges, bounds) for world in values])
        groups[f"{CELL_COUNTS}/{name}"] = xr.Dataset(
            {
                "cell_counts": (["disciple", "count_part", "count_cell"], counts[..., 0]),
                "cell_edges": (["cell_edge"], edges[0]),
            },
            coords={
                "disciple": drawn["disciple"].values,
                "count_block": ("count_part", range(len(bounds) - 1)),
            },
        )
    return xr.DataTree.from_dict(groups)


def in_cells(worlds, name, *laws):
    """Exact information of laws over the cells of the erased world, in bits."""
    erased = worlds["predictions"][name].sel(disciple="erased").values.reshape(1, -1)
    padded = np.concatenate([[-np.inf], Cells().edges(erased)[0], [np.inf]])
    shares = np.stack([np.diff(law.cdf(padded)) for law in laws])
    each = [stats.entropy(share, shares.mean(axis=0), base=2) for share in shares]
    return np.mean(each), np.array(each)


def test_no_goal_a_known_difference_and_disjoint_goals_are_told_apart():
    worlds = tree(
        ("a", "b", "c"),
        none=shifted(1, 1, 1),
        some=shifted(0, 0.8, 1.6, seed=1),
        all=shifted(-99, 0, 99, seed=2),
    )
    found = motive_importance(worlds)
    some, each = in_cells(worlds, "some", *map(stats.norm, (0, 0.8, 1.6)))
    disjoint, _ = in_cells(worlds, "all", *map(stats.norm, (-99, 0, 99)))
    assert disjoint == pytest.approx(np.log2(3), abs=0.01)  # two draws in a thousand are in tails
    for name, truth in {"none": 0, "some": some, "all": disjoint}.items():
        one = found.sel(measurement=name)
        assert abs(one["bits"].item() - truth) < 4 * one["mcse"].item() + 1e-3
        assert one["lower"] <= truth + 1e-12
        assert truth <= one["upper"] + 1e-12
        assert one["share"].item() == pytest.approx(one["bits"].item() / np.log2(3))
    off = found["divergence"].sel(measurement="some") - each
    assert (abs(off) < 4 * found["divergence_mcse"].sel(measurement="some")).all()
    assert (found["p"] < 1e-3).values.tolist() == [False, True, True]
    assert (found["q"] >= found["p"]).all()


def test_a_large_impact_that_all_goals_share_is_no_matter_of_the_goal():
    worlds = tree(("a", "b"), price=shifted(3, 3))
    assert (coarse_graining(worlds)["tv"] > 0.8).all()
    found = motive_importance(worlds)
    assert found["p"].item() > 0.01
    assert found["upper"].item() < 0.01
    assert found["joint_p"].item() > 0.01


def test_the_result_is_labelled_as_promised():
    found = motive_importance(tree(("a", "b"), x=shifted(0, 1), y=shifted(0, 0, seed=1)))
    assert set(found.data_vars) == BY_MEASUREMENT | BY_DISCIPLE | JOINT | {"weight", "witness"}
    assert all(found[name].dims == ("measurement",) for name in BY_MEASUREMENT)
    assert all(found[name].dims == ("disciple", "measurement") for name in BY_DISCIPLE)
    assert all(found[name].dims == () for name in JOINT | {"witness"})
    assert found["disciple"].values.tolist() == ["a", "b"]
    assert found["measurement"].values.tolist() == ["x", "y"]
    assert found["bits"].attrs["units"] == "bits"
    assert "units" not in found["p"].attrs
    assert found.attrs["greatest"] == 1.0
    promised = {"cells", "blocks", "flips", "seed", "draws", "ess", "ess_min", "candidates"}
    assert promised <= set(found.attrs)
    assert found.attrs["draws"] == CHAINS * DRAWS
    summed = (found["divergence"] * found["weight"]).sum("disciple")
    assert summed.values == pytest.approx(found["bits"].values, abs=1e-12)


def test_weights_say_how_likely_each_disciple_is():
    worlds = tree(("a", "b"), x=shifted(-50, 50))
    found = motive_importance(worlds, weights={"b": 3.0, "a": 1.0})
    assert found["weight"].values.tolist() == [0.25, 0.75]
    assert found.attrs["greatest"] == pytest.approx(stats.entropy([0.25, 0.75], base=2))
    assert found["bits"].item() == pytest.approx(found.attrs["greatest"])
    assert found["divergence"].values[:, 0] == pytest.approx([2.0, np.log2(4 / 3)])


def test_disciples_and_measurements_can_be_selected():
    worlds = tree(("a", "b", "c"), x=shifted(0, 1, 9), y=shifted(0, 0, 9, seed=1))
    found = motive_importance(worlds, disciples=["a", "b"], measurements="x")
    same = motive_importance(tree(("a", "b"), x=shifted(0, 1, 9)[:3]))
    xr.testing.assert_allclose(found, same)


def test_all_measurements_together_tell_what_no_single_one_does():
    rng = np.random.default_rng(0)
    worlds = np.stack([rng.multivariate_normal([0, 0], [[1, r], [r, 1]], (CHAINS, DRAWS))
                       for r in (0, 0.9, -0.9)])  # fmt: skip
    found = motive_importance(tree(("a", "b"), x=worlds[..., 0], y=worlds[..., 1]))
    assert (found["upper"] < 0.02).all()
    assert found["joint_lower"].item() > 0.4
    assert found["joint_p"].item() < 1e-3
    assert found["witness"].item() == "qda"


def test_the_joint_bound_stays_below_the_truth_and_close_to_it():
    values = np.random.default_rng(0).normal(size=(3, CHAINS, DRAWS, 10))
    values[2] += 0.8 / np.sqrt(10)
    drawn = xr.Dataset(
        {"y": ([*DIMS[:3], "thing"], values, {"role": "measurement"})},
        coords={"disciple": ["erased", "a", "b"]},
    )
    found = motive_importance(drawn)
    assert found["joint"].item() == pytest.approx(0.107016, abs=3 * found["joint_mcse"].item())
    assert found["joint_lower"].item() < 0.107016
    assert (found["bits"] < found["joint_lower"]).all()


def test_counts_give_what_their_draws_give_but_for_the_joint():
    worlds = tree(("a", "b", "c"), x=shifted(0, 1, 2), y=shifted(0, 0, 0, seed=1))
    kept, told = motive_importance(worlds), motive_importance(counted(worlds))
    for name in ("bits", "plugin", "floor", "mcse", "p", "divergence"):
        assert told[name].values == pytest.approx(kept[name].values, abs=1e-12)
    assert all(np.isnan(told[name].item()) for name in JOINT)
    assert told["witness"].item().startswith("none: counts")
    assert motive_importance(worlds, witness=None)["witness"].item() == "none: not asked for"


def test_the_cells_are_those_of_coarse_graining():
    worlds = tree(("a", "b"), x=shifted(0, 1).round())
    impact, found = coarse_graining(worlds, cells=4), motive_importance(worlds, cells=4)
    assert impact.attrs["cells"] == found.attrs["cells"] == 4
    assert impact.attrs["blocks"] == found.attrs["blocks"]


def test_futures_of_a_draw_stay_together():
    rng = np.random.default_rng(0)
    past = rng.normal(size=(1, CHAINS, 250, 1))
    values = past + 0.1 * rng.normal(size=(3, CHAINS, 250, 8))
    found = motive_importance(tree(("a", "b"), x=values), witness=None)
    assert found["ess"].item() <= 1000
    assert found["p"].item() > 0.01
    assert found.attrs["draws"] == 8000


def test_one_disciple_has_no_motive_to_compare():
    worlds = tree(("greedy",), x=shifted(1))
    with pytest.raises(DiscipleError, match="two at least"):
        motive_importance(worlds)
    with pytest.raises(DiscipleError, match="two at least"):
        motive_importance(tree(("a", "b"), x=shifted(0, 1)), disciples="a")


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"disciples": ["a", "bb"]}, DiscipleError, "Did you mean 'b'"),
        ({"measurements": "price"}, MeasurementError, "price"),
        ({"weights": {"a": 1.0, "bb": 1.0}}, DiscipleError, "Did you mean 'b'"),
        ({"weights": {"a": 1.0}}, DiscipleError, "lacks"),
        ({"weights": {"a": 1.0, "b": 0.0}}, CounterfactualError, "positive"),
        ({"weights": {"a": 1.0, "b": np.nan}}, CounterfactualError, "positive"),
        ({"witness": "oracle"}, CounterfactualError, "expected auto or one of"),
        ({"flips": 3}, CounterfactualError, "at least 100"),
        ({"cells": 1}, CounterfactualError, "at least 2 cells"),
    ],
)
def test_bad_options_are_refused_with_a_way_out(options, error, said):
    with pytest.raises(error) as refused:
        motive_importance(tree(("a", "b"), x=shifted(0, 1)), **options)
    assert said in str(refused.value)


def test_holes_and_too_few_draws_are_refused():
    values = shifted(0, 1)
    values[1, 2, 7] = np.nan
    with pytest.raises(MeasurementError, match="disciple 'a'"):
        motive_importance(tree(("a", "b"), x=values))
    with pytest.raises(WorldError, match="expected at least 40"):
        motive_importance(tree(("a", "b"), x=shifted(0, 1, draws=5)))


def test_a_witness_that_cannot_be_afforded_is_refused():
    values = np.random.default_rng(0).normal(size=(3, CHAINS, 25, 4))
    drawn = xr.Dataset(
        {"y": ([*DIMS[:3], "thing"], values, {"role": "measurement"})},
        coords={"disciple": ["erased", "a", "b"]},
    )
    with pytest.raises(CounterfactualError, match="cannot be learnt from 4 measurements"):
        motive_importance(drawn, witness="cells")


def test_draws_worth_little_are_warned_of():
    values = shifted(0, 1).cumsum(axis=-1) / 10
    with pytest.warns(ImpactWarning, match="worth only"):
        found = motive_importance(tree(("a", "b"), x=values))
    assert (found["ess"] < 100).all()


def test_the_slowest_latent_bounds_what_anything_is_worth():
    worlds = tree(("a", "b"), x=shifted(0, 1))
    judged = xr.Dataset({"z": ("statistic", [50.0])}, coords={"statistic": ["ess_bulk"]})
    bounded = xr.DataTree.from_dict(
        {"predictions": worlds["predictions"].to_dataset(), "convergence": judged}
    )
    with pytest.warns(ImpactWarning):
        found = motive_importance(bounded)
    assert found["ess"].item() == 50


def test_no_torch_is_needed():
    code = (
        "import sys; import inference.diagnostics.motive_importance; "
        "assert not {'torch', 'pyro'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
