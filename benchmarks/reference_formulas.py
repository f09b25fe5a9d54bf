"""What does section 6 say in a formula, of no one disciple or of no law of measurements?"""

import math
from types import SimpleNamespace

import numpy as np
from reference_routes import truth_of
from scipy import integrate

from counterfactual_models import zoo
from counterfactual_models.zoo import biscuits, eight_states, rare_catastrophe, views
from counterfactual_models.zoo.grid import Plan
from inference import peers
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


def win(x):
    return truth_of(find_example("biscuits"), "biscuits").laws[x][(1.0,)]


def derivatives():
    example = find_example("biscuits")
    found = biscuits.slopes(example.disciples["biscuits"], example.evidence)
    return abs(found[1] / found[1].sum() - found[0] / found[0].sum()).sum() / 2


def bound(quantile=0.1):
    """Cost of the worst quantilizer over what Taylor's bound allows: E_pA c / q."""
    cost = rare_catastrophe.expected_loss(rare_catastrophe.Gamble(1 / quantile))
    return cost * quantile / rare_catastrophe.expected_loss(rare_catastrophe.Gamble(1.0))


def above_median(tries):
    """Chance that the best of N has more bits than the median says."""
    return 1 - (1 - 2.0 ** -eight_states.median_bits(tries)) ** tries


def both_parts():
    """Bits of rung 6 on one ladder and rung 7 on another: 2 of 64 pairs do as well."""
    ladders = [truth_of(find_example("eight_states"), who) for who in ("x6", "x7")]
    off = ladders[0].laws[0]
    as_good = sum(p * q for (a,), p in off.items() for (b,), q in off.items() if a >= 6 and b >= 7)
    return -math.log2(as_good)


def dreaded():
    """Total variation of the law of war, twisted by three bits of dread."""
    example = find_example("swap")
    return truth_of(example, "swap").twist("war", -3 * math.log(2))[0]


def threshold(more, rival):
    """At which weight the master is indifferent between the modest clipper and a rival."""
    example = find_example("clip_factory")
    gap = truth_of(example, "modest").joint_tv - truth_of(example, rival).joint_tv
    return more / abs(gap)


def belt(who, baseline="stepwise", over_time="sum"):
    """What a vase on a short belt is charged: b0, b1, broken, off; wait, take it, put it back."""
    following = np.array([[1, 3, 1], [2, 3, 2], [2, 2, 2], [3, 3, 1]])
    charge = peers.relative_reachability(
        sure(following),
        baseline=baseline,
        value_discount=0.95,
        rollouts=False,
        over_time=over_time,
    )
    plan = {"rescue": [1, 0, 0], "offset": [1, 2, 0]}[who]
    return charge.exact(np.tile(np.c_[plan], 4))


def sure(following, start=0, idle=0):
    """Dynamics of moves that are certain, (state, action) -> next state."""
    moves = np.zeros((*following.shape, len(following)))
    np.put_along_axis(moves, following[..., None], 1.0, axis=-1)
    return SimpleNamespace(transitions=moves, start=start, idle=idle)


def lost_states(plan):
    """Share that could be reached and no longer can, without a goal: a wall stands there."""
    table = find_example("sokoban_box").tabular
    kept = np.flatnonzero((table.states[:, :2] != (4, 4)).any(axis=1))
    place = np.full(len(table.states), -1)
    place[kept] = np.arange(len(kept))
    after = place[table.following[kept]]
    after = np.where(after < 0, np.arange(len(kept))[:, None], after)
    charge = peers.relative_reachability(
        sure(after, int(place[table.start]), int(table.idle)),
        baseline="inaction",
        value_discount=1.0,
        over_time="last",
    )
    actions = [table.actions.index(letter) for letter in plan]
    return charge.exact(np.tile(np.c_[actions], len(kept)))
