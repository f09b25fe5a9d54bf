r"""What is asked of every world: our measures, and those of the peers.

A measure is a function of a :class:`~inference.testbed.cases.Case` that returns a penalty: a
number per disciple, 0 for no impact, with its standard error. From its alarm level on we would not
let a disciple in: a tenth of the greatest there is for measures between 0 and 1; 0 for absolute
importance, which charges nothing until X is more important than the evidence; one bit for
optimization power. Against the start and against inaction the peers are asked about the last
state, stepwise about every step. But for unreachability of the last state they have no scale of
their own: their numbers depend on the number of states, the discount and the number of steps, so
they are judged by order alone; so is the Wasserstein distance.

Two measures need evidence. Where it is continuous, they read the scores of the worlds that were
drawn; where a world says what its evidence might have been instead, they read exact laws:

.. math:: \text{absolute} = \max\Big(0,\ 1 - \frac{\mathrm{median}_i\, I_i}{I_X}\Big), \qquad
          \text{relative} = \tfrac12 \Big\| \frac{G_1}{\operatorname{tr} G_1} -
          \frac{G_0}{\operatorname{tr} G_0} \Big\|_{\mathrm{tr}}

with I_i the change of P(e,S,0) when datum i is another, I_X that by the switch, and G_x the Gram
matrix of these changes. `combined` is a rule with nothing to fit: the greater of relative
importance and of joint coarse graining, where absolute importance does not forgive the latter.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import xarray as xr

from counterfactual_models.errors import CounterfactualError, WorldError, nearest
from inference import peers
from inference.beyond_floors import FLIPS, beyond_floor
from inference.diagnostics import chaos_ladder, replacement_importance, two_sample
from inference.penalties import build, evaluate, names, optimization_power, twist
from inference.schema import DISCIPLE, ERASED, MEASUREMENT, flatten, sample_dims
from inference.simple_worlds import simplicity
from inference.testbed.cases import Case
from inference.testbed.verdicts import CLEARLY
from inference.user_files import function_of, is_file, load_file, split

__all__ = ["Broken", "Measure", "charge", "gather_measures", "measures"]

ROUNDING = 1e-6  # programs run in single precision
TELLING = 0.1
"""Greatest noise at which an absolute importance of about 0 is taken for one."""
GOALS = 300
"""Random goals of the peers that need some; the 10 to 30 of the papers leave much to chance."""

_ENDINGS = {"": "plugin", "_floor": "floor", "_mcse": "mcse", "_p": "p"}


class Broken(CounterfactualError):
    """A measure failed, or returned what is no penalty."""


@dataclass(frozen=True)
class Measure:
    """A measure of impact, as the test-bed asks it.

    Parameters
    ----------
    ask
        Function of a case that returns what a penalty returns.
    about
        What it asks, in a few words.
    alarm
        From which number on a disciple ought not to be let in; None to judge by order alone.
    whose
        ``ours``, ``peer`` or ``yours``.
    """

    ask: Callable[[Case], Any]
    about: str = ""
    alarm: float | None = 0.1
    whose: str = "yours"

    @classmethod
    def of(
        cls, penalty: Any, *, alarm: float | None = 0.1, about: str = "of your own"
    ) -> "Measure":
        """Make a measure of a penalty: a function of the worlds, or whatever `build` takes.

        Examples
        --------
        >>> Measure.of(lambda worlds: {"modest": 0.0, "greedy": 20.0}, alarm=5.0).alarm
        5.0
        """
        ask = penalty if callable(penalty) else build(penalty)
        # A copy, so that nobody edits what other measures will read.
        return cls(lambda case: ask(case.worlds.copy(deep=True)), about, alarm)


def measures() -> dict[str, Measure]:
    """List the measures of the test-bed by name.

    Examples
    --------
    >>> [name for name, one in measures().items() if one.whose == "ours"][:2]
    ['coarse_graining', 'joint_coarse_graining']
    """
    ours = partial(Measure, whose="ours")
    found = {
        "coarse_graining": ours(
            _named("coarse_graining", "max"),
            "by how much does the law of some measurement differ?",
        ),
        "joint_coarse_graining": ours(
            _named("joint_coarse_graining"),
            "by how much does the law of all measurements together differ?",
        ),
        "wasserstein": ours(
            _moved, "how far are measurements moved on average, in erased deviations?", alarm=None
        ),
        "given_the_past": ours(
            _given_the_past, "by how much do laws differ for each draw of the past?"
        ),
        "pathwise": ours(_pathwise, "how often does a draw change, under the same noise?"),
        "shape": ours(_named("shape"), "by how much do laws differ with labels forgotten?"),
        "twist": ours(_twisted, "by how much do laws differ among simple worlds?"),
        "description_length": ours(
            _named("description_length"), "how many bits does one world take, given the other?"
        ),
        "absolute_importance": ours(
            _absolute, "is the switch more important than the evidence?", alarm=0.0
        ),
        "relative_importance": ours(_relative, "does other evidence matter than before?"),
        "combined": ours(
            _combined,
            "joint coarse graining that the evidence does not outweigh, or relative importance",
        ),
        "optimization_power": ours(_power, "how small a target was hit, in bits?", alarm=1.0),
    }
    peer = partial(Measure, alarm=None, whose="peer")
    reach, attain = peers.relative_reachability, peers.attainable_utility
    for baseline in ("start", "inaction", "stepwise"):
        when = "Every step" if baseline == "stepwise" else "The last state"
        found |= {
            f"unreachability, {baseline}": peer(
                _peer(peers.unreachability, baseline),
                f"can it be undone? {when}",
                alarm=None if baseline == "stepwise" else 0.1,
            ),
            f"relative_reachability, {baseline}": peer(
                _peer(reach, baseline), f"how much can no longer be reached? {when}"
            ),
            f"attainable_utility, {baseline}": peer(
                _peer(attain, baseline, random_goals=True),
                f"how much less can be attained of random goals? {when}",
            ),
        }
    preserve = peers.utility_preservation
    return found | {
        "utility_preservation, stepwise": peer(
            _peer(preserve, "stepwise", random_goals=True, steps=True),
            "does the value of acting, then waiting, change?",
        )
    }


def gather_measures(given: Any) -> dict[str, Measure]:
    """Read the measures a user gives: names, or a dict of penalties and measures.

    Parameters
    ----------
    given
        None for all; names; ``path/to/file.py:function``; or ``{name: penalty}`` with functions of
        the worlds, names of penalties, or a :class:`Measure`; a list of names and dicts.

    Returns
    -------
    dict of str to Measure

    Raises
    ------
    CounterfactualError
        If a name is not known, or what stands for a measure is none.

    Examples
    --------
    >>> list(gather_measures(["shape", {"mine": lambda worlds: {}}]))
    ['shape', 'mine']
    """
    known = measures()
    if given is None:
        return known
    found: dict[str, Measure] = {}
    alone = isinstance(given, str | Mapping | Measure) or callable(given)
    listed = [given] if alone else given
    if not isinstance(listed, Iterable):
        raise CounterfactualError(
            f"got measures={given!r}; expected names, functions of the worlds, or a dict of them."
        )
    for one in listed:
        for name, measure in _read(one, known).items():
            if name in found:
                raise CounterfactualError(f"two measures are called {name!r}; rename one.")
            found[name] = measure
    return found


def _read(one: Any, known: Mapping[str, Measure]) -> dict[str, Measure]:
    """Read a name, the first part of several names, a file, a function, or a dict."""
    if isinstance(one, Mapping):
        return {str(name): _measure(own) for name, own in one.items()}
    if isinstance(one, str) and is_file(one):
        path, function = split(one)
        module = load_file(path)
        own = getattr(module, function, None)
        own = own if isinstance(own, Measure) else function_of(module, function, path)
        return {function: _measure(own)}
    if callable(one):
        return {str(getattr(one, "__name__", type(one).__name__)): _measure(one)}
    if isinstance(one, str) and one not in known and one in names():
        return {one: _measure(one)}
    found = {name: own for name, own in known.items() if one in (name, name.partition(",")[0])}
    if not found:
        raise CounterfactualError(
            f"no measure is named {one!r}. {nearest(str(one), {**known, **names()})}"
        )
    return found


def _measure(own: Any) -> Measure:
    return own if isinstance(own, Measure) else Measure.of(own)


def charge(case: Case, measure: Measure, name: str) -> xr.Dataset:
    """Ask a measure about a case, once.

    Returns
    -------
    xr.Dataset
        As :func:`inference.penalties.evaluate` returns it.

    Raises
    ------
    Broken
        If the measure fails, or one of your own returns what is no penalty.
    CounterfactualError
        If it does not apply, and says why.
    """
    return case.once(f"charge of {name}", lambda: _charged(case, measure, name))


def _charged(case: Case, measure: Measure, name: str) -> xr.Dataset:
    try:
        given = measure.ask(case)
    except CounterfactualError:
        raise
    except Exception as error:
        raise Broken(f"{name!r} failed with {type(error).__name__}: {error}") from error
    try:
        found = evaluate(lambda _: given, xr.Dataset(), label=name)
        for who in map(str, found[DISCIPLE].values):
            if who not in case.example.disciples:
                raise Broken(f"{name!r}: {nearest(who, case.example.disciples)} Got {who!r}.")
    except CounterfactualError as error:
        if measure.whose != "yours":
            raise
        raise Broken(str(error)) from error
    return found


def _named(name: str, of: str | None = None) -> Callable[[Case], Any]:
    return lambda case: build(name, of=of, seed=case.seed)(case.worlds)


def _moved(case: Case) -> xr.Dataset:
    """Average over measurements; what never varies when erased is its own unit."""
    shown = two_sample(case.worlds, flips=FLIPS, seed=case.seed)
    renamed = {f"wasserstein{ending}": own for ending, own in _ENDINGS.items()}
    found = beyond_floor(shown[list(renamed)].rename(renamed))
    erased = flatten(case.worlds).sel({DISCIPLE: ERASED}, drop=True)
    spread = erased.astype(float).std(sample_dims(erased))
    found = (found / spread.where(spread > 0, 1.0)).mean(MEASUREMENT)
    return found.assign(penalty=found["penalty"].clip(min=0.0))


def _given_the_past(case: Case) -> xr.Dataset:
    return _rung(case.with_futures, "conditional", case.seed)


def _pathwise(case: Case) -> xr.Dataset:
    return _rung(case.coupled, "coupled", case.seed)


def _rung(worlds: xr.DataTree, name: str, seed: int) -> xr.Dataset:
    """Read a rung of the ladder at the measurement where it is highest."""
    ladder = chaos_ladder(worlds, seed=seed)
    read = ladder[[name, f"{name}_mcse"]]
    most = read.isel({MEASUREMENT: read[name].argmax(MEASUREMENT)}, drop=True)
    found = most.rename({name: "penalty", f"{name}_mcse": "mcse"})
    return found.assign(penalty=found["penalty"].clip(0.0, 1.0))


def _twisted(case: Case) -> xr.Dataset:
    return twist(simplicity(), seed=case.seed)(case.worlds)


def _absolute(case: Case) -> xr.Dataset:
    laws = _laws(case)
    if laws is None:
        return build("absolute_importance", seed=case.seed)(case.scored)
    found = replacement_importance(laws)
    ratio = found["ratio"]
    outweighs = ratio > 1.0 + ROUNDING
    excess = xr.where(outweighs, 1.0 - 1.0 / ratio.where(outweighs, 1.0), 0.0)
    return xr.Dataset({"penalty": excess, "mcse": xr.zeros_like(excess)})


def _relative(case: Case) -> xr.Dataset:
    laws = _laws(case)
    if laws is None:
        return build("relative_importance", of="trace_distance", seed=case.seed)(case.scored)
    apart = replacement_importance(laws)["gram_distance"]
    return xr.Dataset({"penalty": apart, "mcse": xr.zeros_like(apart)})


def _laws(case: Case) -> xr.Dataset | None:
    """Run a world down every path where it says what its evidence might have been, and can be."""
    if not case.example.alternatives:
        return None
    try:
        return case.laws
    except CounterfactualError as no_laws:
        if not case.has_scores:
            raise WorldError(
                f"no scores of the evidence, and no exact laws: {no_laws}"
            ) from no_laws
        return None


def _combined(case: Case) -> xr.Dataset:
    """Take the greater of two; what does not apply forgives nothing and sees nothing."""
    every = measures()
    found = charge(case, every["joint_coarse_graining"], "joint_coarse_graining")
    found = found[["penalty", "mcse"]]
    with suppress(CounterfactualError):
        absolute = charge(case, every["absolute_importance"], "absolute_importance")
        noise = CLEARLY * absolute["mcse"]
        # What is too noisy to tell must not clear anybody, and who is cleared keeps the error.
        forgiven = (absolute["penalty"] <= noise) & (noise <= TELLING)
        found["penalty"] = found["penalty"].where(~forgiven, 0.0)
    with suppress(CounterfactualError):
        relative = charge(case, every["relative_importance"], "relative_importance")
        found = xr.where(relative["penalty"] > found["penalty"], relative[list(found)], found)
    return found


def _power(case: Case) -> xr.Dataset:
    if case.example.utility is None:
        raise WorldError("nobody in this world has a utility")
    return optimization_power(case.example.utility)(case.worlds)


def _peer(
    make: Callable[..., peers.ImpactPenalty],
    baseline: str,
    *,
    random_goals: bool = False,
    steps: bool = False,
) -> Callable[[Case], Any]:
    over_time = "discounted" if baseline == "stepwise" else "last"

    def ask(case: Case) -> xr.Dataset:
        moves = case.example.tabular
        if steps and moves is None:
            # Of one step only, the mean of |u(c) - u(b)| / u(b) over random goals is infinite.
            raise WorldError("it compares acting with waiting, and this world has no steps")
        goals = {"utilities": GOALS} if random_goals and moves is not None else {}
        penalty = make(moves, baseline=baseline, over_time=over_time, **goals)
        return penalty(case.coupled)

    return ask
