"""Do all functions together give the 111 reference values, to nine digits?"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

from inference.arrays import delegation as mesa
from inference.arrays import order

KNOWN = json.loads((Path(__file__).parents[2] / "data" / "optimization_power.json").read_text())
EIGHT = np.arange(8.0)
PAIRS = np.stack(np.meshgrid(EIGHT, EIGHT)).reshape(2, -1)
LN2 = math.log(2)


def printer(digits, reached):
    """Numbers 0, 1 to 999, and the rest, by how many they are."""
    masses = np.log([1.0, 999.0, 10.0**digits - 1000])
    return order.exceedance_bits([0, -999, -1000], reached, masses)


def primes(most):
    """The smallest of the integers strictly between a million and this one."""
    return order.exceedance_bits([0, -1], 0, np.log([1.0, most - 1e6 - 2]))


def joint(better):
    return order.joint_bits([6.0, 7.0], better, draws=PAIRS)


def mixed(kind, *achieved):
    return order.mixed_bits(EIGHT, np.array(achieved), kind)


def lottery(top, threshold):
    return order.lottery_bits([*range(6), *top], threshold)


def sum_of_bits(processes, bits):
    return order.joint_bits(np.full(processes, bits / processes), "sum_of_bits")


def far(deviations):
    return float(order.bits_of(special.log_ndtr(-deviations)))


def normal_steps():
    return 2 * far(2.0)


NEAR_ZERO = order.lottery_log_bits_from_gaps(
    [math.log(k) if k < 7 else math.log(7) for k in range(1, 8)],
    [math.log(7) - 1000 * math.log(10)],
)
LOW_TAIL = order.lottery_log_tail_from_gaps(
    [math.log(7) - 1000 * math.log(10)], [math.log(k) for k in range(1, 8)]
)
HUNDRED = np.linspace(0.0, 1.0, 100)
X7 = 1e13
LEVEL = order.best_of_n_level(math.log(6 / 8), math.log(7 / 8))
QUARTER, ONE, WHOLE = (
    order.best_of_n(np.array([math.log(0.25)]), support)
    for support in ("positive", "at_least_one", "integer")
)
QUADRATIC, STEEP = mesa.QuadraticCost(0.5), mesa.QuadraticCost(0.5, fixed=18.0)
GROWING = mesa.ExponentialCost(2.0, rate=0.7)
DEAR = mesa.ExponentialCost(2.0, rate=0.7, fixed=30.0)
LINEAR, LOGARITHMIC = mesa.LinearCost(3.0, fixed=20.0), mesa.LogarithmicCost(20.0, rate=1.0)
AT_EIGHT = mesa.allocate(100, 8, QUADRATIC)
ALL_IN = mesa.allocate(100, 20, QUADRATIC)
SEARCHED = mesa.searched_bits(2.0, 4.0)
GROWN = mesa.allocate(100, 8, GROWING)

FOUND = [
    *(order.exceedance_bits(EIGHT, reached) for reached in (6, 4, 7, 3, 0)),
    order.exceedance_bits([0, 1, 1, 2], 1),
    order.exceedance_bits([0, 1, 1, 2], 1, strict=True),
    order.exceedance_bits(range(4), 2, np.log([0.5, 0.3, 0.15, 0.05])),
    printer(10, 0),
    printer(20, 0),
    printer(10, 0) - printer(10, -999),
    primes(1e9),
    primes(1e12),
    order.joint_bits([2.0, 3.0]),
    joint(lambda draws, own: draws.sum(0) >= own.sum(0)),
    joint(lambda draws, own: (draws[0] > own[0]) | ((draws[0] == own[0]) & (draws[1] >= own[1]))),
    joint(lambda draws, own: draws.min(0) >= own.min(0)),
    joint(lambda draws, own: draws.max(0) >= own.max(0)),
    sum_of_bits(2, 5.0),
    sum_of_bits(10, 30.0),
    *(
        value
        for at in (6, 4, 5.5, 3.5, 0.5)
        for value in (math.exp(order.lottery_log_tail(EIGHT, at)), order.lottery_bits(EIGHT, at))
    ),
    math.exp(order.lottery_log_tail([0, 0, 1, 1, 1], 0.4)),
    lottery([6.0, X7], 6.0),
    lottery([6.0, X7], (4 + X7) / 2),
    lottery([X7 - 1, X7], X7 - 1),
    lottery([X7 - 1, X7], (4 + X7) / 2),
    order.lottery_log_tail(HUNDRED, 0.7),
    order.lottery_bits(HUNDRED, 0.3),
    LOW_TAIL / math.log(10),
    NEAR_ZERO / math.log(10),
    *(
        value
        for mean in (4.0, 5.5, 6.0)
        for tilt in [order.exponential_tilt(EIGHT, mean)]
        for value in (tilt.bits, tilt.strength)
    ),
    mixed("buffered", 5.5),
    mixed("buffered", 6.0),
    mixed("buffered", 4.0),
    mixed("mean_tail", 4.0, 7.0),
    mixed("expected", 4.0, 7.0),
    *(order.least_bits(0, draws) for draws in (100, 1000, 100_000)),
    *(
        value
        for counted in (order.counted_bits(0, 1000), order.counted_bits(3, 1000))
        for value in (counted.mean, counted.sd)
    ),
    QUARTER.mean_log2,
    QUARTER.sd_log2,
    QUARTER.precision_log2,
    ONE.mean_log2,
    QUARTER.mle,
    WHOLE.mean,
    LEVEL.mle,
    LEVEL.mean,
    LEVEL.mean_log2,
    LEVEL.sd_log2,
    order.choice_probabilities(4, EIGHT)[..., 7],
    *(
        law(number)
        for number in (2, 16, 1024)
        for law in (order.best_of_n_divergence, order.best_of_n_bits, order.best_of_n_mean_tail)
    ),
    order.best_of_n_discrete_divergence(4, EIGHT) * LN2,
    *(order.rank_exponential_from_best_of_n(number) * LN2 for number in (2, 16, 1024)),
    order.opposed_bits(1024, 32),
    order.opposed_bits_lost(1024, 32),
    order.alternating_fixed_point(2, 2),
    order.alternating_cdf(0.5, 2, 2, 2),
    far(6.0),
    far(4.0),
    normal_steps(),
    far(40.0),
    order.bits_of(stats.binom.logsf(31, 40, 0.2)),
    order.most_expected_bits(1 / LN2) * LN2,
    mesa.critical_diversity(100, QUADRATIC).most,
    AT_EIGHT.x,
    AT_EIGHT.value,
    ALL_IN.value,
    mesa.critical_diversity(1000, STEEP).some,
    mesa.allocate(1000, 6 * (1 + 1e-10), STEEP).x,
    GROWN.x,
    GROWN.value,
    mesa.critical_diversity(100, GROWING).most,
    GROWING.budget(100),
    mesa.critical_diversity(100, DEAR).some,
    DEAR.cheapest(DEAR.budget(100)),
    mesa.critical_diversity(100, LINEAR).some,
    LOGARITHMIC.budget(100),
    mesa.critical_diversity(100, LOGARITHMIC).some,
    mesa.bits_to_guarantee([0, 8], 8, [math.log1p(-math.exp(-8)), -8.0]),
    # Beyond 7, the exponential law has a mean of 8.
    mesa.bits_for_average([0, 8], 8, [math.log1p(-math.exp(-7)), -7.0]),
    mesa.expected_table_bits(8, 4),
    SEARCHED.expected,
    SEARCHED.mean_tail,
]
# The note's own value is read just above a jump, and to the digits that a minimum has.
COARSE = {97: 1e-8, 103: 1e-7}


def test_there_are_a_hundred_and_eleven():
    assert len(KNOWN) == len(FOUND) == 111


@pytest.mark.parametrize("row", range(111), ids=lambda row: f"{row + 1}")
def test_the_reference_value_is_met(row):
    expected = float(KNOWN[row]["value"])
    found = float(np.asarray(FOUND[row]).item())
    assert found == pytest.approx(expected, rel=COARSE.get(row + 1, 1e-9), abs=1e-15), KNOWN[row]
