"""Are starts, and what opponents take, told with the errors of the draws?"""

import numpy as np
import pytest
from scipy import stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.circumstances import opposed_loss, starting_states


def test_starts_of_a_normal_baseline_have_their_reference_bits():
    found = starting_states(stats.norm.logsf, [1.0, 2.0, 3.0, 4.0])
    bits = [found.worst.bits, found.mean_utility.bits, found.expected.bits, found.mean_tail.bits]
    np.testing.assert_allclose(bits, [2.656033, 7.331269, 8.148354, 4.451765], atol=5e-7)
    assert found.worst.mcse == found.expected.mcse == found.unreached == 0.0
    heavy = starting_states(stats.norm.logsf, [1.0, 4.0], weights=[0.0, 2.0])
    assert heavy.worst.bits == heavy.expected.bits == pytest.approx(14.94646703771930042)
    far = [starting_states(stats.norm.logsf, [at]).worst.bits for at in (6.0, 40.0)]
    np.testing.assert_allclose(far, [29.916833728188744757, 1160.8046091506376642], rtol=1e-12)


def test_starts_by_draws_are_within_their_errors():
    starts = np.array([0.0, 0.5, 1.0, 2.0])
    names = "worst", "mean_utility", "expected", "mean_tail"
    truth = starting_states(stats.norm.logsf, starts)
    deviates = []
    for seed in range(60):
        draws = np.random.default_rng(seed).normal(size=(4, 1000))
        found = starting_states(draws, starts)
        both = [(getattr(found, name), getattr(truth, name)) for name in names]
        deviates.append([(mine.bits - exact.bits) / mine.mcse for mine, exact in both])
    squares = np.square(deviates).mean(axis=0)
    assert (squares > 0.4).all() and (squares < 2.2).all()
    beyond = starting_states(draws, [0.0, 99.0])
    assert beyond.unreached == 0.5 and np.isfinite(beyond.expected.bits)


def test_what_opposition_takes_is_within_its_errors_and_pairing_helps():
    """Truth for U0 ~ N(0,2): the expected bits of N(2,2) less those of N(1,2), by quadrature."""
    grid, weight = np.polynomial.hermite_e.hermegauss(80)
    bits = [
        weight @ -stats.norm.logsf(grid + shift / np.sqrt(2)) / np.sqrt(2 * np.pi) / np.log(2)
        for shift in (2, 1)
    ]
    deviates, ratios = [], []
    for seed in range(60):
        past, *noise = np.random.default_rng(seed).normal(size=(3, 4, 1000))
        alone = past + noise[1] + 2
        found = opposed_loss(past + noise[0], alone, alone - 1)
        deviates.append((found.loss.bits - (bits[0] - bits[1])) / found.loss.mcse)
        ratios.append(found.loss.mcse / found.loss_unpaired.mcse)
        assert found.paired and found.unreached < 0.2
    # Half a draw in place of none takes a little from the best.
    assert np.square(deviates).mean() < 3.5 and np.mean(ratios) < 0.7
    apart = opposed_loss(past, alone[:, :500], alone - 1)
    assert not apart.paired and apart.loss == apart.loss_unpaired
    same = opposed_loss(past, alone, alone)
    assert same.loss.bits == same.loss.mcse == 0.0 < same.loss_unpaired.mcse


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: starting_states([1.0], [1.0, 2.0], [1.0]), "one for each of 2 starts"),
        (lambda: starting_states([1.0], [np.nan]), "utility"),
        (lambda: opposed_loss([1.0], [1.0], [1.0, 2.0], paired=True), "paired=True"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises(CounterfactualError, match=said):
        call()
