"""How is a number of the test-bed found: by the world's own truth, down every path, from draws?

A quantity has up to three routes: ``exact(example, disciple)``, ``enumerated(case, disciple)``, a
number each; and ``drawn(case, disciple)``, an estimate and its standard error.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from counterfactual_models.zoo import eight_states, vases
from inference import diagnostics, peers
from inference.diagnostics.exact_impact import exact_impact, replacement_importance

DREAD = -3 * math.log(2)  # of a war, in the twist of T08


@dataclass(frozen=True)
class Quantity:
    """Up to three routes to the same number."""

    exact: Callable | None = None
    enumerated: Callable | None = None
    drawn: Callable | None = None


def truth_of(example, who):
    return example.exact(example.disciples[who])


def _importance(name):
    def exact(example, who):
        return getattr(truth_of(example, who).importance, name)

    named = {"switch": "switch_importance"}.get(name, name)

    def enumerated(case, who):
        found = case.once("importances", lambda: replacement_importance(case.laws))
        return float(found[named].sel(disciple=who))

    return exact, enumerated


def _datum(x, datum):
    """What a datum is worth, erased (x = 0) or let in."""

    def exact(example, who):
        found = truth_of(example, who).importance
        return (found.off, found.on)[x][datum]

    def enumerated(case, who):
        found = case.once("importances", lambda: replacement_importance(case.laws))
        who = who if x else "erased"
        return float(found["importance"].sel(disciple=who, datum=datum))

    return Quantity(exact, enumerated)


def _impact(name):
    def enumerated(case, who):
        found = case.once("impact", lambda: exact_impact(case.laws))
        return float(found[name].sel(disciple=who))

    return enumerated


def _joint(case, who):
    """Of one measurement by its cells; of several by classifiers, which may fall short."""
    single = case.worlds["predictions"].dataset
    count = sum(single[name].attrs.get("role") == "measurement" for name in single)
    if count == 1:
        found = case.once("cells", lambda: diagnostics.coarse_graining(case.worlds))
        own = found.sel(disciple=who).isel(measurement=0)
        taken_out = float(own["floor"]) ** 2 / 2  # by the floor, of a distance near 1
        return float(own["tv"]), math.hypot(float(own["mcse"]), taken_out)
    found = case.once("joint", lambda: diagnostics.joint_coarse_graining(case.worlds))
    own = found.sel(disciple=who)
    return float(own["held_out"]), float(own["mcse"])


def _shaped(name, error, descriptor=None):
    """Of the only measurement: the shape of a joint law is not that of any one of several."""

    def drawn(case, who):
        found = case.once("shape", lambda: diagnostics.shape(case.worlds, progress=False))
        if found.sizes["measurement"] > 1:
            return None
        own = found.sel(disciple=who).isel(measurement=0)
        scale = 1.0
        if descriptor:
            own, scale = own.sel(descriptor=descriptor), 1 / math.log(2)
        return float(own[name]) * scale, float(own[error]) * scale

    return drawn


def _rung(name, worlds):
    def drawn(case, who):
        ladder = case.once(
            name, lambda: diagnostics.chaos_ladder(getattr(case, worlds), seed=case.seed)
        )
        own = ladder.sel(disciple=who)
        own = own.isel(measurement=int(own[name].argmax("measurement")))
        return float(own[name]), float(own[f"{name}_mcse"])

    return drawn


def _power_exact(example, who):
    """Bits of whatever the disciple reaches, by the utility of the test."""
    return truth_of(example, who).optimization_power(lambda outcome: outcome[0])


def _power_drawn(case, who):
    return _powered(case, who, case.example.utility)


def _powered(case, who, utility):
    found = case.once("power", lambda: diagnostics.optimization_power(case.worlds, utility))
    own = found.sel(disciple=who, summary="expected")
    return float(own["bits"]), float(own["mcse"])


def _at_seven(example, who):
    return truth_of(example, who).optimization_power(lambda outcome: outcome[0] == 7)


def _at_seven_drawn(case, who):
    return _powered(case, who, lambda measured: 1.0 * (measured["site"] == 7))


def _divergence(example, who):
    off, on = (truth_of(example, who).laws[x] for x in (0, 1))
    if any(outcome not in off for outcome in on):
        return math.inf
    return sum(p * math.log(p / off[outcome]) for outcome, p in on.items())


def _of_war(name, error):
    asked = {"tv": diagnostics.coarse_graining, "rearranged_tv": diagnostics.shape}[name]

    def drawn(case, who):
        own = asked(case.worlds).sel(disciple=who, measurement="war")
        return float(own[name]), float(own[error])

    return drawn


def _twisted(example, who):
    """Least total variation over labels once war is dreaded, and the masses' ratio in bits."""
    war = [truth_of(example, who).law[x][0].mean for x in (0, 1)]
    masses = [p / 8 + 1 - p for p in war]
    off, on = (p / 8 / mass for p, mass in zip(war, masses, strict=True))
    sorted_off, sorted_on = (np.sort([p, 1 - p]) for p in (off, on))
    return abs(sorted_on - sorted_off).sum() / 2, math.log2(masses[1] / masses[0])


def _twisted_drawn(case, who):
    found = diagnostics.twist(case.worlds, lambda seen: DREAD * seen["war"])
    own = found.sel(disciple=who, measurement="war")
    return float(own["log_ratio"]) / math.log(2), float(own["log_ratio_mcse"]) / math.log(2)


def _gram_of_scores(case, who):
    own = diagnostics.relative_importance(case.scored).sel(disciple=who)
    return float(own["trace_distance"]), float(own["trace_distance_mcse"])


def _shares_of_scores(case, who):
    own = diagnostics.relative_importance(case.scored).sel(disciple=who)
    return float(own["diagonal_distance"]), float(own["diagonal_distance_mcse"])


def policy(example, who):
    """What a disciple does in every state at every step."""
    steps = STEPS[example.name]
    states = torch.as_tensor(example.tabular.states)
    chosen = [example.disciples[who](states, time) for time in range(steps)]
    return np.stack([np.asarray(one) for one in chosen])


STEPS = {"pink_car": 3, "nuclear_plant": 3, "vases": 3}


def utilities(example):
    """Draw those that the research note was computed with: (state, utility)."""
    table = example.tabular
    drawn = np.random.RandomState(0).rand(2000, len(table.states))
    if example.name == "vases":  # listed there in another order
        places = [int("".join(map(str, map(int, state[:3]))), 2) for state in table.states]
        drawn = drawn[:, places]
    return drawn.T


def _peer(make, **options):
    def charge(example):
        given = {"utilities": utilities(example)} if make is peers.attainable_utility else {}
        return make(example.tabular, **given, **options)

    def exact(example, who):
        return charge(example).exact(policy(example, who))

    def drawn(case, who):
        found = charge(case.example)(case.coupled).sel(disciple=who)
        return float(found["penalty"]), float(found["mcse"])

    return Quantity(exact, None, drawn)


def _harmonic(case, who):
    tail = case.worlds["predictions"]["as_good"].sel(disciple=who).values.ravel()
    bits = -np.log2(tail.astype(float))
    return bits.mean(), bits.std() / np.sqrt(bits.size)


def _harmonic_exact(_, who):
    return eight_states.expected_bits(1 if who == "null" else int(who.rpartition("_")[2]))


def _own_view(make, baseline):
    """What a penalty says that knows the builder's own states alone; of trajectories."""

    def drawn(case, who):
        found = make(case.example.tabular, baseline=baseline)(case.coupled).sel(disciple=who)
        return float(found["penalty"]), float(found["mcse"])

    return Quantity(drawn=drawn)


CHANCES = ("M1", "path", "path of draws")
SUMMED = {"over_time": "sum", "rollouts": False}
QUANTITIES = {
    "M1": Quantity(lambda e, who: truth_of(e, who).joint_tv, _impact("joint_tv"), _joint),
    "path": Quantity(lambda e, who: truth_of(e, who).path, None, _rung("coupled", "coupled")),
    "path of draws": Quantity(drawn=_rung("coupled", "coupled")),
    "M1 given noise": Quantity(
        lambda e, who: truth_of(e, who).tv_given(*truth_of(e, who).noise),
        None,
        _rung("conditional", "with_futures"),
    ),
    "M2": Quantity(
        lambda e, who: truth_of(e, who).rearranged_tv,
        _impact("rearranged_tv"),
        _shaped("rearranged_tv", "rearranged_mcse"),
    ),
    "dH": Quantity(
        lambda e, who: truth_of(e, who).entropy_change,
        _impact("entropy_change"),
        _shaped("change", "mcse", "entropy"),
    ),
    "rho": Quantity(*_importance("ratio")),
    "I_X": Quantity(*_importance("switch")),
    "D4": Quantity(*_importance("profile_distance")),
    "D4G": Quantity(*_importance("gram_distance")),
    "KL": Quantity(_divergence),
    "OP": Quantity(_power_exact, None, _power_drawn),
    "OP at site 7": Quantity(_at_seven, None, _at_seven_drawn),
    "E[OP]": Quantity(_harmonic_exact, None, _harmonic),
    "W1": Quantity(lambda e, who: float(vases.transport(truth_of(e, who))[0])),
    "M1 of war": Quantity(lambda e, who: truth_of(e, who).tv()[0], None, _of_war("tv", "mcse")),
    "M2 of war": Quantity(
        lambda e, who: truth_of(e, who).rearranged_tv()[0],
        None,
        _of_war("rearranged_tv", "rearranged_mcse"),
    ),
    "dH of war": Quantity(lambda e, who: truth_of(e, who).entropy_change[0]),
    "M2b": Quantity(lambda e, who: _twisted(e, who)[0]),
    "log2 Z": Quantity(lambda e, who: _twisted(e, who)[1], None, _twisted_drawn),
    "slope": Quantity(lambda e, who: truth_of(e, who).slope[1][0]),
    "D4 of slopes": Quantity(
        lambda e, who: truth_of(e, who).profile_distance, None, _shares_of_scores
    ),
    "D4G of slopes": Quantity(
        lambda e, who: truth_of(e, who).gram_distance, None, _gram_of_scores
    ),
    "RR stepwise": _peer(peers.relative_reachability, value_discount=1.0, **SUMMED),
    "RR start": _peer(
        peers.relative_reachability, baseline="start", value_discount=1.0, over_time="last"
    ),
    "UR stepwise": _peer(peers.unreachability, value_discount=1.0, **SUMMED),
    "AU stepwise": _peer(peers.attainable_utility, value_discount=0.95, **SUMMED),
    "AU start": _peer(
        peers.attainable_utility, baseline="start", value_discount=0.95, over_time="sum"
    ),
    "own RR stepwise": _own_view(peers.relative_reachability, "stepwise"),
    "own RR inaction": _own_view(peers.relative_reachability, "inaction"),
    "own AU stepwise": _own_view(peers.attainable_utility, "stepwise"),
    "own AU inaction": _own_view(peers.attainable_utility, "inaction"),
} | {
    f"I{x} {datum}": _datum(x, datum)
    for x in (0, 1)
    for datum in ("sign", "president", "code", "plant")
}
