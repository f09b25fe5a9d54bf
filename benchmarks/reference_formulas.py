"""What does section 6 say in a formula, of no one disciple or of no law of measurements?"""

import math

import numpy as np
from reference_routes import truth_of
from scipy import integrate

from counterfactual_models import zoo
from counterfactual_models.zoo import biscuits, eight_states, rare_catastrophe, views
from counterfactual_models.zoo.grid import Plan
from inference.testbed import find_example


def crossed(steps=20, wing=1e-12, borders=9):
    """Chance that a flap has had the weather cross a border: the tent map's, in angles."""

    def grown(log_angle):
        angle = math.exp(log_angle)
        x = math.sin(math.pi * angle / 2) ** 2
        moved = 2 / math.pi * math.asin(math.sqrt(min(x + wing, 1.0))) - angle
        return angle * min(borders * moved * 2.0**steps, 1.0)

    # From both ends of the unit interval, where angles are moved furthest.
    return 2 * integrate.quad(grown, math.log(1e-9), math.log(0.5), limit=500)[0]


def toy_code(bits):
    """Share of K b bits that it takes to turn one law on K = 2 cells into the other, b = 8."""
    return min(1.0, bits / 16)


def aimed():
    truth = truth_of(find_example("hurricane(uniform=True)"), "target")
    return truth.optimization_power(lambda outcome: outcome[0] == 7)


def fisher(who, sign):
    truth = truth_of(find_example("compartments"), who)
    expected = np.array([[1, sign], [sign, 1]])
    return abs(4 * truth.sd**2 * truth.fisher[1] - expected).sum()


def difference():
    truth = truth_of(find_example("compartments"), "mix")
    return truth.gradient[1] @ np.array([1.0, -1.0])


def worth(count, quantity):
    example = zoo.load("views", views=count)
    found = views.importances(example.disciples["nudge"], example.evidence)
    rho, _, name = quantity.rpartition(" ")
    if rho == "rho":
        return found.ratios[name]
    return {
        "view": found.view,
        "digits": len(found.digits),
        "median digit": float(np.median(found.digits)),
    }[quantity]


def uneaten(plan):
    example = zoo.load("conveyor_sushi", layout="sushi_goal", slip=0.1, steps=len(plan))
    return example.exact(Plan(plan)).laws[1][(0.0,)]


def cornered(plan):
    example = zoo.load("sokoban_box", slip=0.1, steps=len(plan))
    return example.exact(Plan(plan)).laws[1][(3.0, 2.0)]


KNIFE = "biscuits"


def win(x):
    return truth_of(find_example(KNIFE), "biscuits").laws[x][(1.0,)]


def derivatives():
    example = find_example(KNIFE)
    found = biscuits.slopes(example.disciples["biscuits"], example.evidence)
    return abs(found[1] / found[1].sum() - found[0] / found[0].sum()).sum() / 2


def bound(quantile=0.1):
    costs = rare_catastrophe.expected_loss(rare_catastrophe.Gamble(1 / quantile))
    return costs * quantile / rare_catastrophe.expected_loss(rare_catastrophe.Gamble())


def under_median(tries):
    return (1 - 2.0 ** -eight_states.median_bits(tries)) ** tries


def threshold(more, rival):
    """At which weight the master is indifferent between the modest clipper and a rival."""
    example = find_example("clip_factory")
    gap = truth_of(example, "modest").joint_tv - truth_of(example, rival).joint_tv
    return more / abs(gap)
