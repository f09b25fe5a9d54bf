"""Peace and war: do the draws have the laws of `exact`, and does the shape stay as it was?"""

import numpy as np
import pytest
from closed_forms import shapes
from scipy.stats import beta

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from counterfactual_models.errors import DiscipleError, EvidenceError, WorldError
from counterfactual_models.zoo.swap import Meddle
from inference import diagnostics

DISCIPLES = ("null", "peacemaker", "coin", "swap")
every_disciple = pytest.mark.parametrize("disciple", DISCIPLES)


@pytest.fixture(scope="module")
def example():
    return zoo.load("swap")


@pytest.fixture(scope="module")
def tree(example):
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=2500, progress=False
    )
    return inference.sample_worlds(
        example.world, posterior, example.disciples, seed=3, progress=False
    )


def test_eight_years_of_peace_leave_war_one_chance_in_ten(example):
    truth = example.exact(example.disciples["swap"])
    # By hand: the posterior of the tension is Beta(1, 9).
    assert truth.mean[0][0] == pytest.approx(beta(1, 9).mean(), abs=1e-15)
    assert truth.mean[1][0] == pytest.approx(0.9)
    np.testing.assert_allclose(truth.tv(), [0.8, 0.8, 0], atol=1e-12)


def test_no_number_without_labels_sees_the_swap(example):
    truth = example.exact(example.disciples["swap"])
    np.testing.assert_allclose(truth.rearranged_tv(), 0, atol=1e-12)
    np.testing.assert_allclose(truth.entropy_change, 0, atol=1e-12)
    np.testing.assert_allclose(truth.varentropy[1], truth.varentropy[0], atol=1e-12)
    np.testing.assert_allclose(truth.spread_ratio, 1)
    one, other = (truth.law[x][1] for x in (0, 1))
    np.testing.assert_allclose(one.peaks, [60, 100], atol=1e-6)
    np.testing.assert_allclose(other.peaks, one.peaks, atol=1e-6)
    assert other.shortest_half == pytest.approx(one.shortest_half, abs=1e-9)
    assert other.concentration(2.0) == pytest.approx(one.concentration(2.0), abs=1e-12)
    signs = [1, -1, 1, -1, 1]  # mirrored about the middle: cumulants of odd order turn round
    np.testing.assert_allclose(other.cumulants[1:], signs * one.cumulants[1:], rtol=1e-9)


@pytest.mark.parametrize(
    ("disciple", "war", "rearranged"),
    [("null", 0.1, 0), ("peacemaker", 0, 0.1), ("coin", 0.5, 0.4), ("swap", 0.9, 0)],
)
def test_the_shape_sees_half_a_swap_and_not_a_whole_one(example, disciple, war, rearranged):
    truth = example.exact(example.disciples[disciple])
    assert truth.mean[1][0] == pytest.approx(war, abs=1e-12)
    assert truth.tv()[:2] == pytest.approx([abs(war - 0.1)] * 2, abs=1e-12)
    assert truth.rearranged_tv()[0] == pytest.approx(rearranged, abs=1e-12)
    assert truth.jensen_shannon[0] == pytest.approx(truth.jensen_shannon[1], abs=1e-9)
    changed = sum(-p * np.log(p) for p in (war, 1 - war) if p) + 0.1 * np.log(0.1)
    assert truth.entropy_change[:2] == pytest.approx([changed + 0.9 * np.log(0.9)] * 2, abs=1e-9)


def test_two_worlds_of_output_as_quadrature_has_them(example):
    truth = example.exact(example.disciples["coin"])
    pdfs = [
        shapes.mixture_density([60, 100], [2, 2], weights) for weights in ([0.1, 0.9], [0.5, 0.5])
    ]
    assert truth.tv()[1] == pytest.approx(shapes.tv(*pdfs, 30, 130), abs=1e-7)
    rearranged = shapes.rearranged_tv(*pdfs, 30, 130)
    assert truth.rearranged_tv()[1] == pytest.approx(rearranged, abs=1e-4)
    for x, pdf in enumerate(pdfs):
        entropy, varentropy, _ = shapes.surprisal_cumulants(pdf, 30, 130)
        assert truth.entropy[x][1] == pytest.approx(entropy, abs=1e-7)
        assert truth.varentropy[x][1] == pytest.approx(varentropy, abs=1e-7)
    np.testing.assert_allclose(truth.cumulants[0][0], shapes.bernoulli_cumulants(0.1), atol=1e-10)


def test_a_twist_by_three_bits_of_dread_sees_it_all_the_same(example):
    # M = 2^(-3 war) by hand: .1125 / .2125 against .0125 / .9125.
    truth = example.exact(example.disciples["swap"])
    tv, log_ratio = truth.twist("war", -3 * np.log(2))
    assert tv == pytest.approx(9 / 17 - 1 / 73, abs=1e-12)
    assert log_ratio / np.log(2) == pytest.approx(-2.102362, abs=1e-6)


@every_disciple
def test_draws_have_the_moments_of_exact(example, tree, disciple):
    truth = example.exact(example.disciples[disciple])
    for x, label in ((0, "erased"), (1, disciple)):
        for i, name in enumerate(truth.measurements):
            w = tree["predictions"][name].sel(disciple=label).values.astype(float).ravel()
            centre, variance = truth.mean[x][i], truth.variance[x][i]
            fourth = truth.cumulants[x][i][3] + 3 * variance**2
            # Resampling from a tenfold proposal leaves nearly independent draws; allow 1.3.
            error = 1.3 / np.sqrt(w.size)
            assert abs(w.mean() - centre) <= 4 * error * variance**0.5
            spread = np.mean((w - centre) ** 2)
            assert abs(spread - variance) <= 4 * error * max(fourth - variance**2, 0) ** 0.5


@every_disciple
def test_the_tv_that_is_estimated_is_the_exact_one(example, tree, disciple):
    found = diagnostics.coarse_graining(tree).sel(disciple=disciple)
    truth = example.exact(example.disciples[disciple])
    found = found.sel(measurement=list(truth.measurements))
    slack = 4 * found["mcse"].values + 0.02  # sixteen cells see a little less of output
    assert np.all(np.abs(found["tv"].values - truth.tv()) < slack)


@every_disciple
def test_the_world_passes_its_check(example, disciple):
    measured = cm.check_world(example.world, example.disciples[disciple]).named("measurement")
    assert tuple(measured) == example.exact(example.disciples[disciple]).measurements


def test_all_draws_run_in_one_pass(tree):
    assert "run" not in tree.attrs["vectorised"]
    assert tree.attrs["vectorised"].count("plate") == 1 + len(DISCIPLES)


@pytest.mark.parametrize("years", [0, -1, 2.5, "eight"])
def test_an_archive_of_no_years_is_refused(years):
    with pytest.raises(WorldError, match=r"years=.*whole number of at least 1"):
        zoo.load("swap", years=years)


@pytest.mark.parametrize("ruin", [0, -1.0, np.inf, np.nan, "all"])
def test_a_war_that_ruins_nothing_is_refused(ruin):
    with pytest.raises(WorldError, match=r"ruin=.*above 0"):
        zoo.load("swap", ruin=ruin)


@pytest.mark.parametrize("chance", [-0.1, 1.1, np.nan, "often"])
def test_a_chance_that_is_none_is_refused(chance):
    with pytest.raises(DiscipleError, match=r"avert=.*from 0 to 1"):
        Meddle(avert=chance)


def test_half_a_war_is_no_evidence(example):
    with pytest.raises(EvidenceError, match=r"0\.5.*0 or 1"):
        example.exact(example.disciples["null"], evidence={"conflict": [0, 0.5]})
