"""The town with two camps: split as `exact` says, and hidden from mean and variance?"""

import numpy as np
import pytest
from closed_forms import shapes
from scipy.stats import norm

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from counterfactual_models.errors import DiscipleError, WorldError
from counterfactual_models.zoo.mixture import LEFT_OPEN, POLLS, Camps, widened
from inference import diagnostics

every_disciple = pytest.mark.parametrize("disciple", ["null", "split", "widen"])
every_town = pytest.mark.parametrize("apart", [1.5, 2.2, 6, 10])
every_coin = pytest.mark.parametrize("balance", [0.1, 0.5])


def truth_of(disciple, **options):
    example = zoo.load("mixture", **options)
    return example.exact(example.disciples[disciple])


@pytest.fixture(scope="module")
def example():
    return zoo.load("mixture", balance=0.4)


@pytest.fixture(scope="module")
def tree(example):
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=2500, progress=False
    )
    return inference.sample_worlds(
        example.world, posterior, example.disciples, seed=3, progress=False
    )


def test_the_erased_town_is_what_bayes_rule_expects():
    grid = np.linspace(-8, 8, 100_001)
    weight = norm.pdf(grid) * np.prod([norm.pdf(r, grid, 0.5**0.5) for r in POLLS], 0)
    weight /= weight.sum()
    mean = float(weight @ grid)
    truth = truth_of("null")
    assert truth.mean[0][0] == pytest.approx(mean, abs=1e-6)
    assert truth.variance[0][0] == pytest.approx(weight @ (grid - mean) ** 2 + 0.25, abs=1e-9)
    assert truth.variance[0][0] == pytest.approx(LEFT_OPEN)


@every_town
@every_coin
def test_the_split_town_as_quadrature_and_algebra_have_it(apart, balance):
    truth = truth_of("split", apart=apart, balance=balance)
    s, centre = LEFT_OPEN**0.5, truth.mean[0][0]
    means = [centre - balance * apart * s, centre + (1 - balance) * apart * s]
    parts = (means, [s, s], [1 - balance, balance])
    two, one = shapes.mixture_density(*parts), norm(centre, s).pdf
    low, high = means[0] - 12 * s, means[1] + 12 * s
    assert truth.tv()[0] == pytest.approx(shapes.tv(one, two, low, high), abs=1e-8)
    rearranged = shapes.rearranged_tv(one, two, low, high)
    assert truth.rearranged_tv()[0] == pytest.approx(rearranged, abs=2e-4)
    assert truth.rearranged_tv()[0] <= truth.tv()[0] + 1e-7
    entropy, varentropy, _ = shapes.surprisal_cumulants(two, low, high)
    assert truth.entropy[1][0] == pytest.approx(entropy, abs=1e-8)
    assert truth.varentropy[1][0] == pytest.approx(varentropy, abs=1e-7)
    # The coin's cumulants, and the variance of the town: by the sum of independent parts.
    coin = shapes.bernoulli_cumulants(balance) * (apart * s) ** np.arange(1, 7)
    coin[0] = centre
    coin[1] += s**2
    np.testing.assert_allclose(truth.cumulants[1][0], coin, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(
        truth.cumulants[1][0], shapes.mixture_cumulants(*parts), rtol=1e-8, atol=1e-8
    )
    count = 1 + shapes.parts_are_two_peaks(apart, balance)
    assert len(truth.peaks[1][0]) == count
    for place in truth.peaks[1][0]:
        assert two(place) > max(two(place - 1e-3), two(place + 1e-3))
    assert (truth.tv()[1], truth.rearranged_tv()[1], truth.entropy_change[1]) == (0, 0, 0)


def test_camps_far_apart_rearrange_to_one_town_twice_as_wide():
    truth = truth_of("split", apart=10.0)
    assert truth.rearranged_tv()[0] == pytest.approx(0.322675, abs=1e-6)
    assert truth.tv()[0] == pytest.approx(shapes.mixture_tv(10), abs=1e-9)
    assert truth.entropy_change[0] == pytest.approx(np.log(2), abs=1e-4)


@every_town
@every_coin
def test_mean_and_variance_cannot_tell_the_control_and_the_shape_can(apart, balance):
    split, widen = (truth_of(name, apart=apart, balance=balance) for name in ("split", "widen"))
    np.testing.assert_allclose(split.cumulants[1][0][:2], widen.cumulants[1][0][:2], rtol=1e-9)
    np.testing.assert_allclose(widen.cumulants[1][0][2:], 0, atol=1e-8)
    assert len(widen.peaks[1][0]) == 1
    assert split.entropy[1][0] < widen.entropy[1][0], "no law of this variance is more open"
    ratio = np.sqrt(1 + balance * (1 - balance) * apart**2)
    assert widen.spread_ratio[0] == pytest.approx(ratio)
    assert widen.tv()[0] == pytest.approx(shapes.scale_tv(ratio), abs=1e-9)
    if balance == 0.5:
        assert split.cumulants[1][0][3] < 0, "two even camps have light tails"


@every_disciple
def test_draws_have_the_moments_of_exact(example, tree, disciple):
    truth = example.exact(example.disciples[disciple])
    for x, label in ((0, "erased"), (1, disciple)):
        for i, name in enumerate(truth.measurements):
            w = tree["predictions"][name].sel(disciple=label).values.astype(float).ravel()
            centre, variance = truth.mean[x][i], truth.variance[x][i]
            # Resampling from a tenfold proposal leaves nearly independent draws; allow 1.3.
            for r, expected in enumerate(central_moments(truth.cumulants[x][i]), 1):
                power = ((w - centre) / variance**0.5) ** r
                error = 1.3 * power.std() / np.sqrt(w.size)
                assert abs(power.mean() - expected) < 4 * error, (name, r)


def central_moments(cumulants):
    _, v, third, fourth = cumulants[:4]
    return 0.0, 1.0, third / v**1.5, fourth / v**2 + 3


@every_disciple
def test_the_tv_that_is_estimated_is_the_exact_one(example, tree, disciple):
    found = diagnostics.coarse_graining(tree).sel(disciple=disciple)
    truth = example.exact(example.disciples[disciple])
    found = found.sel(measurement=list(truth.measurements))
    slack = 4 * found["mcse"].values + 0.02
    assert np.all(np.abs(found["tv"].values - truth.tv()) < slack)


@every_disciple
def test_the_world_passes_its_check(example, disciple):
    measured = cm.check_world(example.world, example.disciples[disciple]).named("measurement")
    assert tuple(measured) == example.exact(example.disciples[disciple]).measurements


def test_all_draws_run_in_one_pass(tree):
    assert tree.attrs["vectorised"].count("plate") == 4


def test_the_control_of_a_town_that_is_blurred_already():
    assert widened(Camps(4.0, 0.5, 1.5)).blur == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"apart": 0}, "apart=0; expected a number of sds above 0"),
        ({"apart": np.inf}, "apart=inf"),
        ({"apart": "far"}, "apart='far'"),
        ({"balance": 0}, "balance=0; expected a chance above 0 and below 1"),
        ({"balance": 1.0}, "balance=1.0"),
        ({"balance": np.nan}, "balance=nan"),
    ],
)
def test_options_that_split_nothing_are_refused(options, said):
    with pytest.raises(WorldError, match=said):
        zoo.load("mixture", **options)


@pytest.mark.parametrize("options", [{"apart": -1.0}, {"blur": -1.0}, {"blur": np.inf}])
def test_a_disciple_of_no_number_is_refused(options):
    with pytest.raises(DiscipleError, match=r"expected a number of sds, 0 or more"):
        Camps(**options)
