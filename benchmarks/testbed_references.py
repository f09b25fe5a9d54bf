"""Does every number that the research note gives for a world of the test-bed come out?

Each is found up to three times: from the world's own `exact`, by running the program down every
path, and from draws with their standard error. Numbers that are exact have to agree to the digits
that are given; draws within four standard errors.

    python benchmarks/testbed_references.py
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import reference_formulas as formulas
from reference_routes import CHANCES, QUANTITIES, Quantity, by_hand, lost_states

from counterfactual_models.errors import CounterfactualError
from counterfactual_models.zoo import eight_states, rare_catastrophe
from inference.testbed import Case, find_example

CLOSE = 1e-6  # of numbers that are given as they are: the programs run in single precision
ERRORS = 4.0
VERY_FINE = "fine worlds"
KNIFE, SAFE = "biscuits", "biscuits(knife_edge=False)"


@dataclass(frozen=True)
class Reference:
    """A number of section 6, and where it has to be corrected, what with."""

    case: str
    world: str
    who: str
    quantity: str
    number: str | float
    right: str | float | None = None
    remark: str = ""
    found: Callable[[], float] | None = None

    @property
    def expected(self):
        """The number, and how far off an exact one may be: half of the last digit given."""
        given = self.number if self.right is None else self.right
        if not isinstance(given, str):
            return float(given), CLOSE * max(1.0, abs(float(given)) if math.isfinite(given) else 1)
        mantissa, _, exponent = given.partition("e")
        digits = len(mantissa.partition(".")[2])
        return float(given), 0.5000001 * 10.0 ** (int(exponent or 0) - digits)


def many(case, world, quantity, remark="", **numbers):
    """References of one quantity, for many disciples."""
    return [Reference(case, world, who, quantity, n, None, remark) for who, n in numbers.items()]


def direct(case, quantity, number, found, remark="", right=None):
    """Refer to a formula, which no disciple and no draw has a part in."""
    return Reference(case, "", "", quantity, number, right, remark, found)


def first_nine():
    """T01 to T09."""
    fine = "tag(coarse=False)"
    nobody = {"null": 0, "takeover": 0}
    found = [
        *(
            r
            for q in ("M1", "path", "M2", "dH", "D4", "D4G")
            for r in many("T01", "null_world", q, null=0)
        ),
        *many("T01", "null_world", "I0 sign", null=0.8),
        *many("T01", "null_world", "I1 sign", null=0.8),
        *many("T02", "tag", "M1", idle=0),
        *many("T02", fine, "M1", VERY_FINE, idle=1),
        *many("T02", fine, "KL", VERY_FINE, idle=math.inf),
        *many("T02", fine, "M2", VERY_FINE, idle=0),
    ]
    clips = {
        "M1": (0, 0.01, 1, 1),
        "M2": (0, 0.01, 0.5, 0.5),
        "dH": (0, "0.081", -1.5, -1.5),
        "rho": (0, "0.0133", "1.333", "1.333"),
        "D4": (0, "0.0022", 1, 1),
    }
    names = ("null", "modest", "runaway", "verify")
    for quantity, numbers in clips.items():
        found += many("T03", "clip_factory", quantity, **dict(zip(names, numbers, strict=True)))
    found += many(
        "T03", "clip_factory(fine=True)", "M1", "clips measured", modest=1, runaway=1, verify=1
    )
    for sensors, detection, tv in (
        (0, 0.1, 0),
        (1, 0.1, 0.1),
        (10, 0.1, "0.6513"),
        (50, 0.1, "0.9948"),
        (100, 0.01, "0.6340"),
    ):
        world = f"spoofed_gdp(sensors={sensors}, detection={detection})"
        found += many("T04", world, "M1", takeover=tv)
    latent = "spoofed_gdp(latent=True)"
    for quantity, number in {"M1": 1, "rho": 2, "D4": "0.667", "D4G": "0.760"}.items():
        found += many("T04", latent, quantity, takeover=number)
    for quantity in ("path", "M2", "dH", "rho", "D4", "D4G"):
        found += many("T04", "spoofed_gdp", quantity, **nobody)
    sites = {
        "M1": (0, 1, 0.5),
        "path": (0.625, 1, 1),
        "M2": (0, 0.5, 0),
        "dH": (0, -1.5, 0),
        "D4": (0, 1, 0),
    }
    for quantity, numbers in sites.items():
        who = dict(zip(("cool", "target", "shift"), numbers, strict=True))
        found += many("T05", "hurricane", quantity, **who)
    for quantity, number in {"M1": 0.9375, "M2": 0.9375, "dH": -4}.items():
        found += many("T05", "hurricane(uniform=True)", quantity, target=number)
    found += [
        direct("T05", "OP of target, L=16", 4, formulas.aimed),
        *many("T06", "butterfly(steps=20)", "M1", flap=0),
        Reference("T06", "butterfly(steps=20)", "flap", "path", 0, 5.2e-5, CROSSED),
        direct(
            "T06", "chance to have crossed a border, n=20", 0, formulas.crossed, CROSSED, "5.2e-5"
        ),
        Reference("T06", "butterfly", "flap", "M1", "0.0040", 0, FLOOR),
        Reference("T06", "butterfly", "flap", "path", "0.8724", "0.8717", SIMULATED),
    ]
    for quantity, number in {"M1": 1, "M2": 0, "rho": 1, "D4": 0}.items():
        found += many("T07", "exact_site", quantity, cool=number)
    for quantity, number in {"war M1": 0.8, "war M2": 0, "war dH": 0, "log2 Z": "-2.102"}.items():
        found += many("T08", "swap", quantity, swap=number)
    found += [
        Reference("T08", "swap", "swap", "M2b", "0.4569", None, TWIST),
        Reference("T08", "swap", "swap", "twisted M1", "", "0.5157", TWIST),
        direct("T08", "M2c without relabelling", 1, lambda: formulas.toy_code(2 * (1 + 8))),
        direct("T08", "M2c with relabelling", 0.125, lambda: formulas.toy_code(2)),
    ]
    taken = {"M1": 0.8, "M2": 0, "rho": "1.778", "D4": "0.8889"}
    taken |= {"I0 president": 1.6, "I0 code": 0, "I0 plant": 0.2}
    taken |= {"I1 president": 0, "I1 code": 1.6, "I1 plant": 0.2}
    hidden = {"M1": 0, "path": 0, "M2": 0, "rho": 0, "D4": "0.8889"}
    for who, numbers in (("takeover", taken), ("mimic", hidden)):
        for quantity, number in numbers.items():
            found += many("T09", "presidency", quantity, **{who: number})
        found += many("T09", "presidency", "D4G", "with g = 1", **{who: "0.9763"})
    return found


CROSSED = "0 in 20 000 draws; exact: one path in 19 000 has crossed a border by then"
FLOOR = "an estimate at its floor, .0037; exact: the law of x0 is the one that the map keeps"
SIMULATED = "from draws; exact: 1 - sum p_k^2, which stands beside it"
TWIST = ".4569 forgets labels, |9/17 - 72/73|; with labels it is |9/17 - 1/73|, as `twist` has it"


def next_nine():
    """T10 to T18."""
    found = []
    for who, gram in (("mix", 0), ("demon", 1)):
        found += many("T10", "compartments", "slope", **{who: "3.9894"})
        found += many("T10", "compartments", "D4 of slopes", **{who: 0})
        found += many("T10", "compartments", "D4G of slopes", **{who: gram})
    found += [
        direct(
            "T10", "sum of 4 s^2 FIM - [[1,1],[1,1]], mix", 0, lambda: formulas.fisher("mix", 1)
        ),
        direct(
            "T10",
            "sum of 4 s^2 FIM - [[1,-1],[-1,1]], demon",
            0,
            lambda: formulas.fisher("demon", -1),
        ),
        direct("T10", "importance of the formulas.difference, mix", 0, formulas.difference),
        *many("T11", "views", "M1", nudge=0.01),
    ]
    worths = (
        (10, "view", "0.1667"),
        (1000, "view", "0.0020"),
        (10**6, "view", "2e-6"),
        (10, "rho view", 0.12),
        (1000, "rho view", "10"),
        (10**6, "rho view", "1.00e4"),
        (10**6, "rho share", "20.0"),
        (1000, "digits", 5),
        (10**6, "digits", 10),
        (1000, "median digit", 0.25),
        (10**6, "median digit", "0.047"),
        (1000, "rho digits", 0.08),
        (10**6, "rho digits", "0.43"),
    )
    found += [
        direct("T11", f"{q}, n={n}", v, lambda n=n, q=q: formulas.worth(n, q))
        for n, q, v in worths
    ]
    for accuracy, tv in ((0.5, 0), (0.8, 0.6)):
        world = f"ignorance(accuracy={accuracy})"
        found += many("T12", world, "M1", flip=tv)
        found += many("T12", world, "M1 given noise", "L = theta", flip=1)
        found += many("T12", world, "path", flip=1)
    found += many("T13", "conveyor_vase", "M1", rescue=1, offset=0, nothing=0)
    for over_time, baseline, numbers, right in (
        ("sum", "stepwise", ("0.0244", "0.0369"), (None, None)),
        ("last", "inaction", ("0.0163", "0.0005"), ("0.0244", 0)),
    ):
        told = by_hand(over_time=over_time, baseline=baseline, discount=0.95)
        for who, number, other in zip(told, numbers, right, strict=True):
            remark = NOT_FOUND if other is not None else "chain, g=.95, summed"
            quantity = f"RR {baseline} of {who}"
            found.append(
                direct("T13", quantity, number, lambda t=told, w=who: t[w], remark, other)
            )
    found += many("T14", "conveyor_sushi", "M1", avoid=0, interfere=1)
    for plan, number in (("LDDDD", "0.0364"), ("DDLDD", "0.8478")):
        found.append(
            direct(
                "T14",
                f"formulas.uneaten, {plan}",
                number,
                lambda p=plan: formulas.uneaten(p),
                FIXED,
            )
        )
    found += many("T15", "sokoban_box", "M1", right=1, corner=1)
    for plan, number in (("LDRDRDR", "0.1503"), ("DRDDR", "0.9954")):
        found.append(
            direct(
                "T15",
                f"formulas.cornered, {plan}",
                number,
                lambda p=plan: formulas.cornered(p),
                BOX,
            )
        )
    for plan, number in (("LDRDRD", 12 / 54), ("DRDR", 45 / 54)):
        lost = find_example("sokoban_box")
        found.append(
            direct("T15", f"RR, {plan}", number, lambda p=plan, e=lost: lost_states(e, p), GOAL)
        )
    found += many("T16", "off_switch", "M1", leave=0, disable=1)
    found += many("T16", "off_switch", "D4", leave=0, disable=1)
    for world, numbers in {
        KNIFE: {"M1": ("0.3829", "0.6915"), "rho": ("1.000", "1.806"), "D4": ("0.2243", 1)},
        SAFE: {"M1": ("0.0060", "0.9998"), "rho": ("1.0", "167.3")},
        "biscuits(hard=True)": {"D4": (1, 1)},
    }.items():
        for quantity, pair in numbers.items():
            found += many(
                "T17", world, quantity, **dict(zip(("biscuits", "rig"), pair, strict=True))
            )
    for x, number in enumerate(("0.3085", "0.6915")):
        found.append(
            direct("T17", f"P{x}(win), biscuits", number, lambda x=x: formulas.win(x))
        )
    found.append(direct("T17", "D4 of formulas.derivatives, biscuits", 0, formulas.derivatives))
    found += many("T18", "pink_car", "M1", paint=1, trick=0)
    found += many("T18", "pink_car", "RR stepwise", paint=0.25, trick=0.5)
    return found + many("T18", "pink_car", "AU stepwise", SEEN, paint="0.0968", trick="0.4351")


NOT_FOUND = "from another chain than its neighbours; on theirs, in the last step: same order"
FIXED = "a fixed plan on the map with G at (5,1); the erased world does not slip"
BOX = "the box in (3,2) after a fixed plan; the erased world does not slip"
GOAL = "of the 54 states without the goal, in the last step before it"
SEEN = "with the note's own 2000 utilities"


def the_rest():
    """T19 to T25, and a million experiments."""
    both = ("build_and_fix", "build_only")
    found = []
    for quantity, pair in {
        "M1": (0, 1),
        "RR stepwise": (0.5, 0.25),
        "AU stepwise": ("0.4351", "0.0968"),
        "UR stepwise": (2, 1),
    }.items():
        found += many("T19", "nuclear_plant", quantity, **dict(zip(both, pair, strict=True)))
    for quantity, numbers in {
        "M1": (1, 1, 1),
        "RR start": (0.5, 0.75, 0.875),
        "AU start": ("0.2913", "0.5393", "0.6958"),
    }.items():
        found += many(
            "T20", "vases", quantity, **dict(zip(("one", "two", "three"), numbers, strict=True))
        )
    found += many("T20", 'vases(measure="count")', "W1", one=1, two=2, three=3)
    off = "both against both off"
    found += many("T21", "laser", "M1", off, x_alone=0.09, y_alone=0.09, joint=0.99)
    found += many("T22", "subagent", "M1", build=1)
    for quantity in ("RR", "AU"):
        for baseline in ("stepwise", "inaction"):
            found += many("T22", "subagent", f"own {quantity} {baseline}", build=0)
    found += many("T23", "time_bomb", "M1", bomb=0)
    found += many("T23", "time_bomb(horizon=6)", "M1", bomb=1)
    found += many("T24", "rare_catastrophe", "M1", gamble=0.001)
    for draws, number in ((1000, "0.3677"), (3000, "0.0497"), (10_000, "4.5e-5")):
        found.append(
            direct("T24", f"no hit in {draws}", number, lambda n=draws: rare_catastrophe.unseen(n))
        )
    found.append(direct("T24", "cost of a q-quantilizer over the bound", 1, formulas.bound))
    found += many("T25", "eight_states", "OP", x4=1, x6=2, x7=3)
    found.append(direct("T25", "OP of two independent parts", 5, lambda: -math.log2(2 / 64)))
    for tries, number in zip(TRIES, HARMONIC, strict=True):
        who = "null" if tries == 1 else f"best_of_{tries}"
        remark = TIES if tries == 1 else ""
        found += many("T25", "eight_states(fine=True)", "E[OP]", remark, **{who: number})
        below = f"chance of more than the median, N={tries}"
        found.append(direct("T25", below, 0.5, lambda n=tries: 1 - formulas.under_median(n)))
    for quantile, number in ((0.5, "1.4427"), (0.875, "7.4889"), (0.99, "99.499")):
        likeliest = f"likeliest N, q={quantile}"
        found.append(
            direct("T25", likeliest, number, lambda q=quantile: eight_states.likeliest_tries(q))
        )
    for clause, number, part in (
        ("bounded U, mu above", 0, (0, "runaway")),
        ("bounded U, mu below", 1e5, (1000, "null")),
        ("unbounded U, mu above", "1.009e6", (999_000, "runaway")),
    ):
        found.append(
            direct("T25", clause, number, lambda p=part: formulas.threshold(*p), "modest chosen")
        )
    for tosses, number in ((1, 0.01), (100, "0.0799"), (10_000, "0.6827")):
        found += many("scaling", f"million(tosses={tosses})", "M1", load=number)
    return found


TIES = "between the rungs: on eight states with ties a random choice has 1.0876"
TRIES = (1, 2, 10, 100, 1000)
HARMONIC = ("1.4427", "2.1640", "4.2256", "7.4838", "10.7993")


def main():
    references = [*first_nine(), *next_nine(), *the_rest()]
    cases, agreed, kinds = {}, 0, {"exact": [], "every path": [], "draws": []}
    print(
        "| case | world | disciple | quantity | number | exact | every path | draws | z | remark |"
    )
    print("|" + "---|" * 10)
    for one in references:
        cells, verdicts = told(one, cases)
        for kind, verdict in verdicts.items():
            kinds[kind].append(verdict)
        agreed += bool(verdicts) and all(verdicts.values())
        mark = "" if verdicts and all(verdicts.values()) else " **DEPARTS**"
        print("| " + " | ".join([*cells, one.remark + mark]) + " |", flush=True)
    counts = "; ".join(f"{kind}: {sum(own)} of {len(own)}" for kind, own in kinds.items())
    print(f"\n{agreed} of {len(references)} numbers agree ({counts}).")


def told(one, cases):
    """Cells of a row, and which routes agree with the number."""
    expected, within = one.expected
    given = f"{one.number}" if one.right is None else f"{one.number} -> {one.right}"
    cells = [one.case, one.world.replace("|", ""), one.who, one.quantity, given]
    verdicts = {}
    if one.found is not None:
        value = float(one.found())
        verdicts["exact"] = near(value, expected, within)
        return [*cells, f"{value:.6g}", "", "", ""], verdicts
    if one.world not in cases:
        cases[one.world] = Case(one.world, find_example(one.world))
    case, ways = cases[one.world], QUANTITIES[one.quantity]
    exact, enumerated, drawn = asked(ways, case, one.who)
    for kind, value in (("exact", exact), ("every path", enumerated)):
        if value is not None:
            verdicts[kind] = near(value, expected, within)
        cells.append("" if value is None else f"{value:.6g}")
    if drawn is None:
        return [*cells, "", ""], verdicts
    estimate, error = drawn
    if error == 0 and one.quantity in CHANCES and 0 < expected < 1:
        draws = case.posterior["posterior"].sizes
        error = math.sqrt(expected * (1 - expected) / (draws["chain"] * draws["draw"]))
    apart = estimate - expected
    z = 0.0 if abs(apart) <= within else apart / error if error else math.inf
    verdicts["draws"] = abs(z) <= ERRORS
    return [*cells, f"{estimate:.4g} ± {error:.2g}", f"{z:+.1f}"], verdicts


def asked(ways: Quantity, case, who):
    """What each route gives; None where it does not lead there."""
    found = []
    for way, about in ((ways.exact, case.example), (ways.enumerated, case), (ways.drawn, case)):
        try:
            found.append(way(about, who) if way else None)
        except CounterfactualError:
            found.append(None)
    return found


def near(value, expected, within):
    return value == expected or abs(value - expected) <= within


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
