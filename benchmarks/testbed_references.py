"""Does every number that the research note gives for a world of the test-bed come out?

Each is found up to three times: from the world's own `exact`, by running the program down every
path, and from draws with their standard error. Numbers that are exact have to agree to the digits
that are given; draws within four standard errors.

    python benchmarks/testbed_references.py [seed]
"""

import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from reference_routes import CHANCES, QUANTITIES
from testbed_numbers import FORMULAS, WORLDS

from counterfactual_models.errors import CounterfactualError
from inference.testbed import Case, find_example

CLOSE = 1e-6  # of numbers that are given as they are: the programs run in single precision
ERRORS = 4.0


@dataclass(frozen=True)
class Reference:
    """A number, and where it has to be corrected, what with."""

    case: str
    world: str
    who: str
    quantity: str
    number: str | float
    remark: str = ""
    right: str | float | None = None
    formula: Callable[[], float] | None = None

    @property
    def expected(self):
        """The number, and how far off an exact one may be: half of the last digit given."""
        given = self.number if self.right is None else self.right
        if not isinstance(given, str):
            return float(given), CLOSE * max(1.0, abs(given) if math.isfinite(given) else 1.0)
        if "/" in given:
            return float(Fraction(given)), CLOSE
        mantissa, _, exponent = given.partition("e")
        digits = len(mantissa.partition(".")[2])
        within = 0.500001 * 10.0 ** (int(exponent or 0) - digits)
        return float(given), within if float(given) else CLOSE


def references():
    """List all numbers, world by world."""
    found = [
        Reference(case, "", "", what, number, remark, *right, formula=formula)
        for case, what, number, formula, remark, *right in FORMULAS
    ]
    for case, world, who, quantities, remark in WORLDS:
        everyone = (who,) if isinstance(who, str) else who
        for quantity, given in quantities.items():
            numbers = given if isinstance(given, tuple) else (given,)
            for name, number in zip(everyone, numbers, strict=True):
                pair = number if isinstance(number, tuple) else (number, None)
                found.append(Reference(case, world, name, quantity, pair[0], remark, pair[1]))
    return sorted(found, key=lambda one: one.case)


def main(seed):
    every = references()
    cases, agreed, kinds, largest = {}, 0, {"exact": [], "every path": [], "draws": []}, 0.0
    print(
        "| case | world | disciple | quantity | number | exact | every path | draws | z | remark |"
    )
    print("|" + "---|" * 10)
    for one in every:
        cells, verdicts, z = told(one, cases, seed)
        for kind, verdict in verdicts.items():
            kinds[kind].append(verdict)
        agrees = bool(verdicts) and all(verdicts.values())
        agreed += agrees
        largest = max(largest, abs(z))
        remark = one.remark if agrees else f"{one.remark} **DEPARTS**"
        print("| " + " | ".join([*cells, remark]) + " |", flush=True)
    counts = "; ".join(f"{kind}: {sum(own)} of {len(own)}" for kind, own in kinds.items())
    print(f"\n{agreed} of {len(every)} numbers agree ({counts}; largest z: {largest:.1f}).")


def told(one, cases, seed):
    """Cells of a row, which routes agree with the number, and how far off the draws are."""
    expected, within = one.expected
    given = f"{one.number}" if one.right is None else f"{one.number}, right: {one.right}"
    cells = [one.case, one.world, one.who, one.quantity, given]
    if one.formula is not None:
        value = float(one.formula())
        verdicts = {"exact": near(value, expected, within)}
        return [*cells, f"{value:.6g}", "", "", ""], verdicts, 0.0
    if one.world not in cases:
        cases[one.world] = Case(one.world, find_example(one.world), seed=seed)
    case, ways, verdicts = cases[one.world], QUANTITIES[one.quantity], {}
    exact, enumerated, drawn = asked(ways, case, one.who)
    for kind, value in (("exact", exact), ("every path", enumerated)):
        if value is not None:
            verdicts[kind] = near(value, expected, within)
        cells.append("" if value is None else f"{value:.6g}")
    if drawn is None:
        return [*cells, "", ""], verdicts, 0.0
    estimate, error = drawn
    if error == 0 and one.quantity in CHANCES and 0 < expected < 1:
        draws = case.posterior["posterior"].sizes
        error = math.sqrt(expected * (1 - expected) / (draws["chain"] * draws["draw"]))
    apart = estimate - expected
    z = 0.0 if abs(apart) <= within else apart / error if error else math.inf
    verdicts["draws"] = abs(z) <= ERRORS
    return [*cells, f"{estimate:.4g} ± {error:.2g}", f"{z:+.1f}"], verdicts, z


def asked(ways, case, who):
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
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
