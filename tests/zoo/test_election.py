"""An election: what a takeover does to the importance of names, and how a mimic hides it."""

import numpy as np
import pytest

from counterfactual_models import zoo
from counterfactual_models.errors import DiscipleError
from counterfactual_models.zoo.election import Sway, mimic


@pytest.fixture(scope="module")
def election():
    return zoo.load("election")


def test_the_mimic_matches_every_measurement_and_matters_as_the_takeover_does(election):
    hidden, open_ = (election.exact(election.disciples[n]) for n in ("mimic", "takeover"))
    np.testing.assert_allclose(hidden.mean[1], hidden.mean[0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(hidden.covariance[1], hidden.covariance[0], rtol=0, atol=1e-14)
    assert hidden.tv() == pytest.approx([0, 0], abs=1e-12)
    assert hidden.switch_bits == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(hidden.gradient[1], open_.gradient[1])
    assert open_.tv()[0] > 0.15


def test_the_mimic_by_hand():
    # Means of the facts are 2/3 of their signs, their variances 1/3.
    made = mimic(Sway(0.05, 1.2), {"poll": 0.5, "report": 1.0})
    assert made.push == pytest.approx((0.5 + 0.1 - 0.025 - 1.2) * 2 / 3)
    own = 0.5 + (1 + 0.01) / 3 - (0.0025 + 1.44) / 3
    assert np.exp(2 * made.stir) == pytest.approx(own / 0.5)
    assert made.stir < 0, "it steadies the tone"


def test_a_mimic_hides_at_its_own_evidence_only(election):
    elsewhere = {"poll": election.evidence["poll"], "report": 2.0}
    tv = election.exact(election.disciples["mimic"], evidence=elsewhere).tv()
    assert tv[0] > 0.25


def test_a_mimic_of_a_mimic_is_itself(election):
    made = election.disciples["mimic"]
    again = mimic(made, election.evidence)
    assert (again.push, again.stir) == pytest.approx((made.push, made.stir))


def test_a_takeover_too_loud_to_be_hidden_is_refused():
    with pytest.raises(DiscipleError, match=r"spread the tone by 3, .* smaller weights"):
        mimic(Sway(0.0, 3.0), {"poll": 0.5, "report": 1.0})


def test_strawberries_are_no_ones_concern(election):
    for disciple in election.disciples.values():
        truth = election.exact(disciple)
        assert all(truth.gradient[x][1].tolist() == [0, 0] for x in (0, 1))
