"""Does counting by halvings find the tails that are known, and say when it did not?"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.halving_runs import SplitTail
from inference.arrays.order.moves import crank_nicolson, refreshed
from inference.arrays.order.splitting import split_tail


def noise(size):
    return lambda generator, number: generator.standard_normal((number, size))


def plain(utility):
    return lambda states: (utility(states), np.zeros(len(states)))


def first(states):
    return states[:, 0]


def normal_bits(target):
    return -stats.norm.logsf(target) / math.log(2)


def two_ways_up(entrance, target=6.5, slope=3.0):
    """A wide way, and one with a narrow entrance that climbs faster; and the bits of both."""
    logs = stats.norm.logsf([target, entrance + target / slope])
    evaluate = plain(lambda z: np.maximum(z[:, 0], slope * (z[:, 1] - entrance)))
    return evaluate, -np.logaddexp(*logs) / math.log(2)


class LinearGaussian:
    """Noise of which the noisy sum has been seen; any linear utility of it is normal."""

    def __init__(self, size=3, seen=2.0, variance=0.25):
        self.ones, self.seen, self.variance = np.ones(size), seen, variance
        self.reads = np.arange(size) < 2
        covariance = np.eye(size) - np.outer(self.ones, self.ones) / (size + variance)
        self.mean = covariance @ self.ones * seen / variance
        self.root = np.linalg.cholesky(covariance)
        self.middle = self.reads @ self.mean
        self.sd = math.sqrt(self.reads @ covariance @ self.reads)

    def start(self, generator, number):
        return self.mean + generator.standard_normal((number, len(self.ones))) @ self.root.T

    def evaluate(self, states):
        misfit = self.seen - states @ self.ones
        return states @ self.reads, -np.square(misfit) / (2 * self.variance)


@pytest.fixture(scope="module")
def tail():
    return split_tail(noise(3), plain(first), 6.0, particles=200)


def agrees(tail, truth, errors=4.0):
    return abs(tail.bits - truth) < errors * tail.mcse


def test_a_normal_tail_of_thirty_bits_is_found_to_half_a_bit_in_150_000_worlds():
    target = -stats.norm.ppf(1e-9)
    found = [split_tail(noise(1), plain(first), target, particles=120, seed=s) for s in range(4)]
    for tail in found:
        assert abs(tail.bits - 9 * math.log2(10)) < 0.6
        assert tail.evaluations <= 150_000 and tail.reliable and tail.reasons == ()


def test_a_tail_of_166_bits_is_found_within_three():
    tail = split_tail(noise(1), plain(first), -stats.norm.ppf(1e-50), particles=80, steps=6)
    assert abs(tail.bits - 50 * math.log2(10)) < 3 and agrees(tail, 50 * math.log2(10))


def test_plateaus_are_halved_as_any_other_worlds():
    hit = stats.norm.ppf(0.2)
    count = plain(lambda z: (z < hit).sum(axis=1).astype(float))
    tail = split_tail(noise(40), count, 32.0, particles=250)
    assert agrees(tail, 50.591241975367) and tail.reliable
    bits, mcse = tail.tail_bits(np.arange(33))
    truth = -stats.binom.logsf(np.arange(-1, 32), 40, 0.2) / math.log(2)
    assert np.all(np.abs(bits - truth) < 4.5 * mcse)


def test_what_the_evidence_says_is_heeded_at_every_level():
    world = LinearGaussian()
    target = world.middle - stats.norm.ppf(2.0**-20) * world.sd
    tail = split_tail(world.start, world.evaluate, target, particles=200)
    assert agrees(tail, 20.0) and tail.reliable
    assert agrees(split_tail(world.start, world.evaluate, world.middle, particles=200), 1.0)


def test_worlds_that_the_evidence_rules_out_are_never_kept():
    def evaluate(states):
        return states[:, 0], np.where(states[:, 1] > 0, 0.0, -np.inf)

    def start(generator, number):
        states = generator.standard_normal((number, 2))
        states[:, 1] = np.abs(states[:, 1])
        return states

    tail = split_tail(start, evaluate, 4.0, particles=200)
    assert (tail.last[..., 1] > 0).all() and agrees(tail, normal_bits(4.0))


def test_the_whole_tail_is_found_on_the_way(tail):
    targets = np.linspace(-2.0, 6.0, 33)
    bits, mcse = tail.tail_bits(targets)
    assert np.all(np.abs(bits - normal_bits(targets)) < 4.5 * mcse)
    assert np.all(np.diff(bits) >= 0)
    at_target, error = tail.tail_bits(6.0)
    assert at_target.shape == () and at_target == pytest.approx(tail.bits)
    assert error == pytest.approx(tail.mcse, rel=1e-6)


def test_weights_of_each_run_add_up_to_one_and_above_the_target_to_its_probability(tail):
    weights = np.exp2(tail.log_weight / math.log(2))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-9)
    above = np.where(tail.utility >= 6.0, weights, 0.0).sum(axis=1)
    np.testing.assert_allclose(-np.log2(above), tail.bits_runs, rtol=1e-9)
    mean = np.mean((weights * np.where(weights > 0, tail.utility, 0.0)).sum(axis=1))
    assert abs(mean) < 4 / math.sqrt(4 * 200)


def test_the_last_states_are_draws_above_the_target(tail):
    assert tail.last.shape == (4, 200, 3) and (tail.last[..., 0] >= 6.0).all()
    expected = stats.norm.pdf(6.0) / stats.norm.sf(6.0)  # the mean of a truncated normal
    runs = tail.last[..., 0].mean(axis=1)
    assert abs(runs.mean() - expected) < 5 * max(runs.std(ddof=1), 0.02) / 2
    assert np.abs(tail.last[..., 1:].mean(axis=(0, 1))).max() < 1.0


def test_a_target_that_most_draws_reach_is_counted_at_once():
    tail = split_tail(noise(1), plain(first), 0.0)
    assert abs(tail.bits - 1.0) < 4 * tail.mcse < 0.1
    sure = split_tail(noise(1), plain(first), -50.0)
    assert sure.bits == 0.0 == sure.lower and sure.reliable
    assert 0 < sure.mcse < 1e-3 and sure.interval[0] == 0.0


def test_a_needle_without_a_slope_is_not_found_and_not_called_impossible():
    flat = plain(lambda z: (z[:, 0] > 9) + 0.0)
    tail = split_tail(noise(2), flat, 1.0, particles=100, steps=4)
    assert tail.bits == math.inf == tail.mcse == tail.interval[1] and tail.stuck == 4
    assert not tail.reliable and "stuck" in tail.reasons[0]
    assert tail.lower == pytest.approx(-math.log2(1 - 0.05 ** (1 / 400)))
    assert tail.last.shape == (0, 100, 2)
    assert tail.tail_bits([0.0, 1.0])[0].tolist() == [0.0, math.inf]
    hill = plain(lambda z: np.minimum(z[:, 0], 3.0) + 10.0 * (z[:, 1] > 9))
    stopped = split_tail(noise(2), hill, 5.0, particles=100, plateau_bits=10)
    assert 7.0 < stopped.lower < normal_bits(3.0) + 0.5 and not stopped.reliable
    assert stopped.utility.max() < 3.0 + 1e-9


def test_a_run_stops_at_the_most_bits():
    tail = split_tail(noise(1), plain(first), 20.0, particles=50, most_bits=10)
    assert tail.stuck == 4 and 5.0 < tail.lower < 10.0


def test_runs_that_lose_a_way_up_that_others_find_are_not_believed():
    evaluate, truth = two_ways_up(3.0)
    found = [split_tail(noise(4), evaluate, 6.5, particles=200, seed=s) for s in range(6)]
    lost = [np.ptp(tail.bits_runs) > 5 for tail in found]
    assert sum(lost) >= 3
    assert all(not tail.reliable for tail, is_lost in zip(found, lost, strict=True) if is_lost)
    easy, truth = two_ways_up(1.0)
    assert agrees(split_tail(noise(4), easy, 6.5, particles=200), truth)


def test_one_run_alone_is_not_believed():
    tail = split_tail(noise(1), plain(first), 3.0, runs=1, particles=100)
    assert not tail.reliable and "only one run" in tail.reasons[0]
    assert math.isnan(tail.sd_between) and tail.mcse == pytest.approx(tail.sd_within)


def test_many_runs_of_few_particles_own_up_to_their_bias():
    tail = split_tail(noise(1), plain(first), 5.0, particles=10, runs=60)
    assert any("biased" in reason for reason in tail.reasons)


def test_errors_shrink_with_the_root_of_the_particles():
    few, many = (
        [split_tail(noise(1), plain(first), 5.0, particles=n, seed=s) for s in range(8)]
        for n in (50, 450)
    )
    claims = [np.mean([tail.sd_within for tail in tails]) for tails in (few, many)]
    spread = [np.std([tail.bits_runs for tail in tails]) for tails in (few, many)]
    assert 2.2 < claims[0] / claims[1] < 4.0 and 2.0 < spread[0] / spread[1] < 4.5
    for claim, seen in zip(claims, spread, strict=True):
        assert 0.65 < seen / claim < 1.4


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 4))
def test_a_run_depends_on_the_seed_and_its_number_alone(seed, runs):
    options = {"particles": 30, "steps": 3, "seed": seed}
    alone = split_tail(noise(2), plain(first), 3.0, runs=1, **options)
    among = split_tail(noise(2), plain(first), 3.0, runs=runs, **options)
    assert among.bits_runs[0] == alone.bits_runs[0]
    again = split_tail(noise(2), plain(first), 3.0, runs=runs, **options)
    assert np.array_equal(among.utility, again.utility) and again.bits == among.bits


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_only_the_order_of_utilities_counts(seed):
    """Moves of one kind: which of two is tried more depends on how far they move utility."""
    options = {"particles": 30, "steps": 3, "seed": seed, "propose": crank_nicolson}
    straight = split_tail(noise(1), plain(first), 3.0, **options)
    bent = split_tail(noise(1), plain(lambda z: z[:, 0] ** 3), 27.0, **options)
    assert np.array_equal(straight.bits_runs, bent.bits_runs)


def test_all_runs_are_evaluated_in_one_batch():
    sizes = []

    def evaluate(states):
        sizes.append(len(states))
        return states[:, 0], np.zeros(len(states))

    tail = split_tail(noise(1), evaluate, 2.0, particles=50, steps=3, runs=4)
    assert sizes[:4] == [200] * 4 and sum(sizes) == tail.evaluations
    assert set(sizes) <= {50, 100, 150, 200}


def test_states_keep_their_precision():
    kinds = set()

    def start(generator, number):
        return generator.standard_normal((number, 5), dtype=np.float32)

    def evaluate(states):
        kinds.add(states.dtype)
        return states.sum(axis=1), np.zeros(len(states))

    tail = split_tail(start, evaluate, 5.0, particles=50)
    assert kinds == {np.dtype(np.float32)} == {tail.last.dtype}


@pytest.mark.parametrize("move", [crank_nicolson, refreshed])
@pytest.mark.parametrize("scale", [0.05, 0.4, 1.0])
def test_moves_leave_the_normal_law_and_are_as_likely_back(move, scale):
    generator = np.random.default_rng(1)
    states = generator.standard_normal((40_000, 6))
    moved = move(generator, states, scale)
    assert stats.kstest(moved.ravel(), "norm").pvalue > 1e-4
    assert abs(np.mean(moved[:, 0] * moved[:, 1])) < 5 / math.sqrt(40_000)
    # E f(z) g(z') = E g(z) f(z') for reversible moves.
    there, back = states[:, 0] ** 2 * moved[:, 0], moved[:, 0] ** 2 * states[:, 0]
    assert abs(np.mean(there - back)) < 5 * np.std(there - back) / math.sqrt(40_000)
    assert (moved != states).any(axis=1).all()


def test_an_interruption_passes_through():
    calls = iter(range(100))

    def evaluate(states):
        if next(calls) == 7:
            raise KeyboardInterrupt
        return states[:, 0], np.zeros(len(states))

    with pytest.raises(KeyboardInterrupt):
        split_tail(noise(1), evaluate, 9.0, particles=20)


def test_progress_is_told_in_bits():
    told = []
    split_tail(noise(1), plain(first), 3.0, particles=50, steps=2, progress=told.append)
    assert told[0] == 1.0 and told == sorted(told)


def test_infinite_utilities_have_their_place():
    def utility(z):
        return np.where(z[:, 0] < 0, -np.inf, np.where(z[:, 0] > 4, np.inf, z[:, 0]))

    tail = split_tail(noise(1), plain(utility), 5.0, particles=200)
    assert agrees(tail, normal_bits(4.0))


def refused(start, evaluate, target, message, **options):
    with pytest.raises(CounterfactualError, match=message):
        split_tail(start, evaluate, target, **{"particles": 20, "steps": 2} | options)


def test_what_is_no_number_is_refused_and_named():
    def spoiled(value, row):
        def evaluate(states):
            answer = np.zeros((2, len(states)))
            answer[row, 25] = value
            return answer[0], answer[1]

        return evaluate

    refused(noise(1), spoiled(np.nan, 0), 1.0, "utility nan of particle 5 in run 1")
    refused(noise(1), spoiled(np.nan, 1), 1.0, "log-likelihood nan of particle 5 in run 1")
    refused(noise(1), spoiled(np.inf, 1), 1.0, "log-likelihood inf of particle 5 in run 1")
    refused(noise(1), spoiled(-np.inf, 1), 1.0, "starting state 5 of run 1")
    refused(lambda g, n: np.full((n, 2), np.nan), plain(first), 1.0, "coordinate 0 of starting")


def test_wrong_shapes_and_options_are_refused():
    refused(lambda g, n: np.zeros(n), plain(first), 1.0, "starting states of shape")
    refused(lambda g, n: np.zeros((n + 1, 2)), plain(first), 1.0, "starting states of shape")
    refused(noise(1), plain(lambda z: z), 1.0, "utility of shape")
    refused(noise(1), lambda z: z[:, 0], 1.0, "got ndarray from evaluate")
    shrunk = lambda generator, states, scale: states[:1]
    refused(noise(1), plain(first), 1.0, "proposed states of shape", propose=shrunk)
    refused(noise(1), plain(first), math.nan, "target=nan")
    refused(noise(1), plain(first), 1.0, "plateau_bits=0", plateau_bits=0)
    for name in ("particles", "steps", "runs", "seed"):
        refused(noise(1), plain(first), 1.0, f"got {name}=-1", **{name: -1})


def test_targets_beyond_the_one_split_for_are_refused(tail):
    assert isinstance(tail, SplitTail)
    for target in (6.1, math.nan):
        with pytest.raises(CounterfactualError, match="expected none above"):
            tail.tail_bits([1.0, target])
