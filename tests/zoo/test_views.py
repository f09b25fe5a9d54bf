"""Views: does X look important beside redundant data, and not beside what they amount to?"""

import math

import numpy as np
import pytest
import torch
from closed_forms import finite_draws
from scipy import integrate
from scipy.stats import beta

import counterfactual_models as cm
import inference
from counterfactual_models.errors import DiscipleError, EvidenceError, WorldError
from counterfactual_models.zoo import views
from counterfactual_models.zoo.views import Nudge, importances
from inference import diagnostics


@pytest.fixture(scope="module")
def example():
    return views.example(views=50)


@pytest.fixture(scope="module")
def tree(example):
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=2500, progress=False
    )
    return inference.sample_worlds(
        example.world, posterior, example.disciples, seed=2, progress=False
    )


def worth(count):
    example = views.example(views=count)
    return importances(example.disciples["nudge"], example.evidence)


@pytest.mark.parametrize("count", [10, 1000, 1_000_000])
def test_a_nudge_moves_the_click_by_a_hundredth(count):
    example = views.example(views=count)
    truth = example.exact(example.disciples["nudge"])
    assert truth.joint_tv == pytest.approx(0.01)
    np.testing.assert_allclose(truth.tv(), [0.01, 0.001, 0], rtol=1e-6, atol=1e-9)
    assert truth.marginal("click", 0)[1] == pytest.approx(0.5)
    found = truth.importance
    # By the definition, laws at the evidence and beside it: what the formula says.
    assert found.off == pytest.approx(dict.fromkeys(found.off, 2 / (count + 2)), rel=1e-6)
    assert found.ratio == pytest.approx(0.01 * (count + 2), rel=1e-6)
    assert found.profile_distance == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("count", "view", "ratio"), [(10, 0.1667, 0.12), (1000, 0.0020, 10), (1_000_000, 2e-6, 1e4)]
)
def test_beside_one_view_x_looks_ever_more_important(count, view, ratio):
    found = worth(count)
    assert found.view == pytest.approx(view, rel=3e-3)
    assert found.ratios["view"] == pytest.approx(ratio, rel=3e-3)
    assert found.switch == pytest.approx(0.02)


@pytest.mark.parametrize("count", [10, 1000, 1_000_000])
def test_beside_the_share_of_clicks_it_still_does(count):
    found = worth(count)
    assert found.share == pytest.approx(2 * math.sqrt(0.25 / (count + 3)))
    assert found.ratios["share"] == pytest.approx(0.02 * math.sqrt(count + 3))
    if count == 1_000_000:
        assert found.ratios["share"] == pytest.approx(20, abs=1e-3)


@pytest.mark.parametrize(
    ("count", "digits", "median", "ratio"), [(1000, 5, 0.25, 0.08), (1_000_000, 10, 0.047, 0.43)]
)
def test_beside_digits_of_the_rate_it_does_not(count, digits, median, ratio):
    found = worth(count)
    assert len(found.digits) == digits == round(math.log2(count) / 2)
    assert found.digits[0] == 1
    assert np.median(found.digits) == pytest.approx(median, abs=5e-4)
    assert found.ratios["digits"] == pytest.approx(ratio, abs=5e-3)
    assert found.ratios["digits"] < 1 < found.ratios["share"] + (count == 1000)


def test_the_digits_say_how_far_a_rate_moves():
    # Half of all rates turn round a binary digit up, half down: by 2^-m, so 2 * 2^-m in L1.
    rates = (np.arange(4096) + 0.5) / 4096
    for m, digit in enumerate(worth(1_000_000).digits, start=1):
        turned = ((rates * 2**m).astype(int) ^ 1) / 2**m + rates % 2**-m
        assert 2 * abs(turned - rates).mean() == pytest.approx(digit)


@pytest.mark.parametrize("clicks", [0, 3, 8, 10])
@pytest.mark.parametrize("by", [0.01, 0.3, 1.0])
def test_a_rate_that_stops_at_1_has_the_mean_that_quadrature_says(clicks, by):
    seen = {"clicked": torch.tensor([1.0] * clicks + [0.0] * (10 - clicks))}
    law = beta(1 + clicks, 11 - clicks)
    inner = integrate.quad(lambda r: (r + by) * law.pdf(r), 0, 1 - by)[0]
    expected = inner + law.sf(1 - by)
    assert views.exact(Nudge(by), seen).marginal("click", 1).get(1, 0) == pytest.approx(expected)


def test_other_views_are_as_the_two_that_stand_for_all(example):
    for name in ("null", "nudge"):
        short = example.exact(example.disciples[name]).importance
        every = {}
        for place in range(50):
            turned = example.evidence["clicked"].clone()
            turned[place] = 1 - turned[place]
            every[f"clicked[{place}]"] = [{"clicked": turned}]
        long = example.exact(example.disciples[name], alternatives=every).importance
        assert long.ratio == pytest.approx(short.ratio)
        assert long.profile_distance == pytest.approx(short.profile_distance, abs=1e-9)
        assert long.gram_distance == pytest.approx(short.gram_distance, abs=1e-9)


@pytest.mark.parametrize("disciple", ["null", "nudge"])
def test_draws_have_the_chances_of_exact(example, tree, disciple):
    truth = example.exact(example.disciples[disciple])
    for x, label in ((0, "erased"), (1, disciple)):
        rows = finite_draws.outcomes(tree, label, truth.names)
        for outcome, p in truth.laws[x].items():
            found = (rows == outcome).all(axis=1).mean()
            # Resampling from a wide proposal leaves nearly independent draws; allow 1.3.
            error = 1.3 * np.sqrt(p * (1 - p) / len(rows))
            assert abs(found - p) <= 4 * error


def test_the_posterior_is_the_beta_law_of_the_views(tree):
    rate = tree["posterior"]["rate"].values.ravel()
    law = beta(26, 26)
    assert abs(rate.mean() - law.mean()) <= 4 * 1.3 * law.std() / np.sqrt(rate.size)
    assert abs(rate.std() - law.std()) <= 4 * 1.3 * law.std() / np.sqrt(2 * rate.size)


def test_the_estimate_of_the_penalty_is_within_its_error(example, tree):
    found = diagnostics.coarse_graining(tree)
    for name, disciple in example.disciples.items():
        for place, measurement in enumerate(("click", "share", "rain")):
            own = found.sel(disciple=name, measurement=measurement)
            assert abs(own["tv"] - example.exact(disciple).tv()[place]) <= 4 * own["mcse"]


@pytest.mark.parametrize("disciple", ["null", "nudge"])
def test_the_world_passes_its_check(example, disciple):
    checked = cm.check_world(example.world, example.disciples[disciple])
    assert tuple(checked.named("measurement")) == ("click", "share", "rain")


@pytest.mark.parametrize("count", [0, -1, 2.5, "many"])
def test_no_views_are_refused(count):
    with pytest.raises(WorldError, match=r"views=.*at least 1"):
        views.example(views=count)


@pytest.mark.parametrize("by", [-0.1, 1.1, np.nan, "a little"])
def test_a_nudge_that_is_none_is_refused(by):
    with pytest.raises(DiscipleError, match=r"by=.*from 0 to 1"):
        Nudge(by)


@pytest.mark.parametrize("clicked", [[], [0.5], [np.nan], [[1.0, 0.0]]])
def test_half_a_click_is_no_evidence(clicked):
    with pytest.raises(EvidenceError, match="not 0 or 1, or none"):
        views.exact(Nudge(), {"clicked": torch.tensor(clicked)})
