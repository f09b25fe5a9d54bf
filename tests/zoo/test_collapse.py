"""The pegged price: is what was open closed by as much as `exact` says?"""

import numpy as np
import pytest
from closed_forms import shapes
from scipy.stats import norm

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from counterfactual_models.errors import DiscipleError, WorldError
from counterfactual_models.zoo.collapse import REPORTS, Peg, expected_price
from inference import diagnostics

every_disciple = pytest.mark.parametrize("disciple", ["null", "pin", "churn"])


def load(remains=0.1):
    return zoo.load("collapse", remains=remains)


def pinned(remains):
    example = load(remains)
    return example.exact(example.disciples["pin"])


@pytest.fixture(scope="module")
def tree():
    example = load()
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=2500, progress=False
    )
    return inference.sample_worlds(
        example.world, posterior, example.disciples, seed=3, progress=False
    )


def test_what_is_expected_is_what_bayes_rule_expects():
    grid = np.linspace(-8, 8, 100_001)
    weight = norm.pdf(grid) * np.prod([norm.pdf(r, grid, 0.5**0.5) for r in REPORTS], 0)
    weight /= weight.sum()
    mean = float(weight @ grid)
    variance = float(weight @ (grid - mean) ** 2) + 0.25
    assert expected_price({"report": REPORTS}) == pytest.approx(mean, abs=1e-9)
    truth = pinned(0.1)
    assert truth.mean[0][0] == pytest.approx(mean, abs=1e-6)
    assert truth.variance[0][0] == pytest.approx(variance, abs=1e-9)
    assert truth.variance[0][1] == pytest.approx(variance / 4 + 1 / 16, abs=1e-9)


@pytest.mark.parametrize("remains", [0.001, 0.1, 0.5, 0.9, 1.0])
def test_the_price_is_scaled_about_its_mean(remains):
    truth = pinned(remains)
    np.testing.assert_allclose(truth.mean[1], truth.mean[0], atol=1e-12)
    assert truth.spread_ratio[0] == pytest.approx(remains)
    assert truth.entropy_change[0] == pytest.approx(np.log(remains), abs=1e-9)
    np.testing.assert_allclose(truth.varentropy[1], 0.5, atol=1e-6)
    bread = truth.spread_ratio[1]
    expected = [shapes.scale_tv(remains), shapes.scale_tv(bread) if remains < 1 else 0, 0]
    np.testing.assert_allclose(truth.tv(), expected, atol=1e-9)
    np.testing.assert_allclose(truth.rearranged_tv(), expected, atol=1e-7)
    sd = truth.variance[1][0] ** 0.5
    law = truth.law[1][0]
    assert law.shortest_half == pytest.approx(2 * norm.ppf(0.75) * sd, rel=1e-6)
    assert law.concentration(sd) == pytest.approx(2 * norm.cdf(0.5) - 1, abs=1e-6)
    assert truth.entropy[1][0] == pytest.approx(shapes.normal_entropy(sd), abs=1e-9)


def test_a_certainty_is_as_far_from_an_open_future_as_can_be():
    truth = pinned(0)
    assert (truth.tv()[0], truth.rearranged_tv()[0], truth.jensen_shannon[0]) == (1, 1, 1)
    assert (truth.entropy_change[0], truth.spread_ratio[0]) == (-np.inf, 0)
    law = truth.law[1][0]
    assert (law.shortest_half, law.concentration(0.1), law.varentropy) == (0, 1, 0)
    assert law.peaks.tolist() == [truth.mean[0][0]]
    assert 0 < truth.tv()[1] < 1, "bread keeps the baker's own luck"


def test_to_churn_is_the_scale_of_the_note():
    example = load()
    truth = example.exact(example.disciples["churn"])
    assert truth.tv()[0] == pytest.approx(0.322675, abs=1e-6)
    assert truth.rearranged_tv()[0] == pytest.approx(0.322675, abs=1e-6)
    assert truth.entropy_change[0] == pytest.approx(np.log(2))


def test_a_peg_that_is_off_moves_the_price_as_well():
    example = load()
    truth = example.exact(Peg(expected_price(example.evidence) + 1.0, 0.5))
    np.testing.assert_allclose(truth.mean[1] - truth.mean[0], [0.5, 0.25, 0], atol=1e-12)
    laws = [norm(truth.mean[x][0], truth.variance[x][0] ** 0.5).pdf for x in (0, 1)]
    assert truth.tv()[0] == pytest.approx(shapes.tv(*laws, -6, 8), abs=1e-8)
    assert truth.rearranged_tv()[0] == pytest.approx(shapes.scale_tv(0.5), abs=1e-7)


@every_disciple
def test_draws_have_the_moments_of_exact(tree, disciple):
    example = load()
    truth = example.exact(example.disciples[disciple])
    for x, label in ((0, "erased"), (1, disciple)):
        for i, name in enumerate(truth.measurements):
            w = tree["predictions"][name].sel(disciple=label).values.astype(float).ravel()
            variance = truth.variance[x][i]
            # Resampling from a tenfold proposal leaves nearly independent draws; allow 1.3.
            error = 1.3 / np.sqrt(w.size)
            assert abs(w.mean() - truth.mean[x][i]) < 4 * error * variance**0.5
            assert abs(w.var() / variance - 1) < 4 * error * 2**0.5


def test_a_certainty_is_drawn_as_one():
    example = load(0)
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=200, progress=False
    )
    drawn = inference.sample_worlds(
        example.world, posterior, {"pin": example.disciples["pin"]}, progress=False
    )
    price = drawn["predictions"]["price"].sel(disciple="pin").values
    assert np.ptp(price) == 0
    assert float(price.flat[0]) == pytest.approx(expected_price(example.evidence), abs=1e-6)


@every_disciple
def test_the_tv_that_is_estimated_is_the_exact_one(tree, disciple):
    example = load()
    found = diagnostics.coarse_graining(tree).sel(disciple=disciple)
    truth = example.exact(example.disciples[disciple])
    found = found.sel(measurement=list(truth.measurements))
    # Sixteen cells lose up to .04 of a law that is ten times narrower than they were made for.
    low, high = truth.tv() - 0.05, truth.tv() + 0.02
    slack = 4 * found["mcse"].values
    assert np.all((found["tv"].values > low - slack) & (found["tv"].values < high + slack))


@every_disciple
def test_the_world_passes_its_check(disciple):
    example = load()
    measured = cm.check_world(example.world, example.disciples[disciple]).named("measurement")
    assert tuple(measured) == example.exact(example.disciples[disciple]).measurements


def test_all_draws_run_in_one_pass(tree):
    assert tree.attrs["vectorised"].count("plate") == 4


@pytest.mark.parametrize("remains", [-0.1, 1.5, np.nan, "some"])
def test_more_than_there_was_cannot_remain(remains):
    with pytest.raises(WorldError, match=r"remains=.*from 0 to 1"):
        load(remains)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"remains": -1}, "remains=-1; expected the share"),
        ({"remains": np.inf}, "remains=inf"),
        ({"at": np.nan}, "at=nan of a Peg; expected a finite price"),
        ({"at": "par"}, "at='par'"),
    ],
)
def test_a_peg_of_no_number_is_refused(options, said):
    with pytest.raises(DiscipleError, match=said):
        Peg(**options)
