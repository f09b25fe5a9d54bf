r"""Who does the optimizing: the training, or the search that it wrote into what it trained?

A base optimizer has P bits of optimization power for an algorithm that will meet N instances, each
in need of a policy of its own. Writing a run-time search of x bits into the algorithm costs f(x);
what is left tunes the reflex of each instance by

.. math:: b = (P - f(x)) / N

bits: its table entry keeps the best :math:`2^{-b}` of the untrained policies, which guarantees b
halvings (best of :math:`2^b` would guarantee none). At run time the reflex takes any policy that
is left; the search takes the best of :math:`n = 2^x` of them, so that the share of untrained
policies that are at least as good is

.. math:: V = 2^{-b} W, \quad W \sim \mathrm{Beta}(1, n)
          \quad\text{against the formula}\quad -\log_2 V \approx (P - f(x)) / N + x

An untrained policy has quality :math:`z \sim N(0, 1)`. The quality that is measured is that of
the policy used, :math:`-\Phi^{-1}(V)`: in double precision good to a thousand bits, and the same
preference as V. Three levels: A untrained, B tuned reflex, C search on top. What X=0 takes away
is chosen by `erase`: the search (B against C) or all of the training (A against B and C).

Evidence of the past says how hard the instances are. That moves the score, quality less
difficulty, and no bits of quality: against the policies of the same instance its difficulty drops
out.

E. Hubinger et al., "Risks from Learned Optimization in Advanced Machine Learning Systems" (2019),
section 2.1.
"""

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from scipy import integrate, special

from counterfactual_models.errors import WorldError, nearest, refuse_counts
from counterfactual_models.primitives import measure, wire
from counterfactual_models.utilities import Utility, bounded
from counterfactual_models.zoo import Example

__all__ = [
    "Exact",
    "Power",
    "Search",
    "Writing",
    "everywhere",
    "exact",
    "example",
    "mesa",
    "today",
]

BLUR = 0.5  # standard deviation of a record, where instances differ by 1
MOST_BITS = 900.0  # what is left for luck until a share is no longer a double
ROUNDING = 1e-12  # of a search that is to cost all there is
REACH = 40.0  # no quality lies further out
UNTRAINED = -1.0  # what the wire carries where there is no algorithm at all
ERASE = ("search", "training")


@dataclass(frozen=True)
class Search:
    """Search at run time for so many bits: take the best of 2^bits policies; 0 is the reflex.

    More than was written in is not to be had, and below 0 an untrained policy is used. What is no
    number raises a WorldError.
    """

    bits: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.bits, numbers.Real) or math.isnan(self.bits):
            raise WorldError(f"got bits={self.bits!r} of a Search; expected a number.")

    def __call__(self, difficulty: torch.Tensor) -> torch.Tensor:
        """Act on the difficulty of each instance, whatever it is."""
        return torch.full_like(difficulty, self.bits)


@dataclass(frozen=True)
class Writing:
    """What writing a search into the algorithm costs: fixed + each x bits, and 0 without one."""

    fixed: float = 4.0
    each: float = 3.0

    def __call__(self, bits: float) -> float:
        """Bits of the base optimizer's power for a search of so many bits."""
        return self.fixed + self.each * bits if bits > 0 else 0.0


def mesa(
    disciple: Callable[..., Any],
    *,
    tuning: float = 6.0,
    bits: float = 4.0,
    instances: int = 8,
    erase: str = "search",
) -> None:
    """Run the world: how hard instances are, records of it, the wire, a policy for each.

    Parameters
    ----------
    disciple
        Difficulty of each instance -> bits to search for at run time.
    tuning
        Bits b of each instance's table entry.
    bits
        Bits of the search that was written in, and that the disciple cannot exceed.
    instances
        How many there are.
    erase
        What X=0 takes away: the ``search``, or all the ``training``.
    """
    era = pyro.sample("era", dist.Normal(0.0, 1.0))
    plate = pyro.plate("instance", instances)
    with plate:
        difficulty = pyro.sample("difficulty", dist.Normal(era, 1.0))
        pyro.sample("record", dist.Normal(difficulty, BLUR))

    act = wire(disciple, idle=0.0 if erase == "search" else UNTRAINED)
    asked = act(difficulty).double()
    halvings = tuning * (asked >= 0).double()
    with plate:
        draft = pyro.sample("draft", dist.Normal(0.0, 1.0))
        quality = _quality(draft, halvings, asked.clamp(0.0, bits))
        measure("quality", quality)
        measure("score", quality - difficulty)
    # One number per world has the shape of the site that is one number per world.
    measure("today", quality[..., :1].reshape(era.shape))
    measure("worst", quality.amin(-1).reshape(era.shape))


def _quality(draft: torch.Tensor, halvings: torch.Tensor, search: torch.Tensor) -> torch.Tensor:
    r"""Turn one normal number into the best of n policies from the best :math:`2^{-b}`.

    With U the share above the draft, :math:`W = 1 - (1 - U)^{1/n}`: exact for any real n, and in
    logarithms at both ends.
    """
    below = torch.special.log_ndtr(draft.double())
    share = torch.exp2(-halvings) * -torch.expm1(below * torch.exp2(-search))
    return -torch.special.ndtri(share.clamp(max=1 - 2.0**-53))


@dataclass(frozen=True)
class Power:
    r"""Optimization power of one level against another, in bits per instance.

    For achieved shares :math:`V = 2^{-b} W, W \sim \mathrm{Beta}(1, n)`. Against `formula` = b +
    log2 n, every measured summary has an offset of its own, and that of chance (b=0, n=1) is
    chance's own score:

    ========== ============================================== ====================== =======
    summary    value                                          offset                 chance
    ========== ============================================== ====================== =======
    expected   b + H_n / ln 2                                 1.4427 to 0.8327       1.4427
    mean_tail  b + log2(n + 1)                                log2(1 + 1/n)          1
    log2_n     b + log2(n + 1) - log2 2F1(1, 1; n + 2; 2^-b)  from 0 (b=0) to that   0
               (of mean_tail) for large b
    worst      b                                              -log2 n                0
    ========== ============================================== ====================== =======

    Parameters
    ----------
    formula
        What the allocation model says.
    expected, sd
        Mean and standard deviation of :math:`-\log_2 V`.
    mean_tail
        :math:`-\log_2 E[V]`: of doing at least as well by one draw of the baseline.
    log2_n
        :math:`-\log_2 E[-\ln(1 - V)]`: log2 of how many draws of the baseline one would choose
        from, as maximum likelihood finds it.
    worst
        What is guaranteed.
    """

    formula: float
    expected: float
    sd: float
    mean_tail: float
    log2_n: float
    worst: float


@dataclass(frozen=True)
class Exact:
    """The truth about one disciple in the mesa world.

    Parameters
    ----------
    tuning, search
        Bits of the table entry of each instance, and bits searched for at run time.
    value
        (P - f(x)) / N + search: at the full search what the base optimizer maximises over x.
    levels
        ``"A->B"``, ``"B->C"`` and ``"A->C"``: A untrained, B tuned reflex, C this disciple.
    difficulty_mean, difficulty_sd
        Of each instance given the records, (N,).
    """

    tuning: float
    search: float
    value: float
    levels: Mapping[str, Power]
    difficulty_mean: np.ndarray
    difficulty_sd: np.ndarray


def exact(
    disciple: Search, evidence: Mapping[str, Any], *, tuning: float = 6.0, bits: float = 4.0
) -> Exact:
    """Work out the bits of every level in closed form.

    Parameters
    ----------
    disciple
        A search of 0 bits or more.
    evidence
        `record` of every instance.
    tuning, bits
        As in the world.

    Returns
    -------
    Exact

    Examples
    --------
    >>> ex = example(power=64, instances=8, bits=4)
    >>> truth = ex.exact(ex.disciples["search"])
    >>> both = truth.levels["A->C"]
    >>> truth.value, round(both.expected, 6), round(both.mean_tail, 6), round(both.log2_n, 6)
    (10.0, 10.877361, 10.087463, 10.086209)
    """
    if disciple.bits < 0:
        raise WorldError(f"got a search of {disciple.bits} bits; expected 0 or more.")
    search = min(disciple.bits, bits)
    record = np.asarray(evidence["record"], float)
    own = 1 / (1 + BLUR**2)  # weight of an instance's own record
    era = record.sum() / (len(record) + 1 + BLUR**2)
    variance = own * BLUR**2 + (1 - own) ** 2 / (1 + len(record) * own)
    return Exact(
        tuning,
        search,
        tuning + search,
        {
            "A->B": _power(tuning, 0.0),
            "B->C": _power(0.0, search),
            "A->C": _power(tuning, search),
        },
        era + own * (record - era),
        np.full(len(record), variance**0.5),
    )


def _power(tuning: float, search: float) -> Power:
    n = 2.0**search
    return Power(
        formula=tuning + search,
        expected=tuning + float(special.digamma(n + 1) - special.digamma(1)) / math.log(2),
        sd=math.sqrt(special.polygamma(1, 1) - special.polygamma(1, n + 1)) / math.log(2),
        mean_tail=tuning + math.log2(n + 1),
        log2_n=_log2_n(tuning, n),
        worst=tuning,
    )


def _log2_n(tuning: float, n: float) -> float:
    r"""Evaluate :math:`-\log_2 E[-\ln(1 - V)]` with :math:`W = 1 - e^{-s/n}`.

    SciPy's 2F1 is not a number for large n near b=0; this integrand is then nearly :math:`e^{-s}`.
    """
    kept = 2.0**-tuning
    left_out = -math.expm1(-tuning * math.log(2))
    found, _ = integrate.quad(
        lambda s: math.exp(-s * (1 + 1 / n)) / (left_out + kept * math.exp(-s / n)),
        0.0,
        100.0,  # beyond it lies less than e^-100
        epsabs=0.0,
        epsrel=1e-12,
    )
    return max(0.0, tuning + math.log2(n) - math.log2(found))


def today() -> Utility:
    """Want quality on the instance that is met today: the formula's bits are per instance."""
    return bounded("today", floor=-REACH, cap=REACH)


def everywhere() -> Utility:
    """Want quality on the worst instance: all N must be as good, and tuning counts N times.

    N b bits are guaranteed. Search adds about N (x - log2 H_N), H_N the harmonic number, as the
    worst of N searches counts: for N=8, b=6, x=4 expected bits are 70.6 and the mean tail 64.5.
    """
    return bounded("worst", floor=-REACH, cap=REACH)


def example(
    *,
    power: float = 64.0,
    instances: int = 8,
    bits: float = 4.0,
    cost: Callable[[float], float] | None = None,
    erase: str = "search",
) -> Example:
    """Make the world that a base optimizer leaves behind: to sweep over x, load one for each.

    Parameters
    ----------
    power
        P, bits of the base optimizer.
    instances
        N, each in need of a policy of its own.
    bits
        x, of the search that is written in; 0 for none.
    cost
        f, bits of power -> for a search of so many bits; by default 4 + 3x, and 0 without one.
    erase
        What X=0 takes away: ``"search"`` leaves the tuned reflex (B), whose cost is paid all the
        same; ``"training"`` leaves untrained policies (A).

    Returns
    -------
    Example
        `reflex` does not search, `half_search` for half of the bits, `search` for all of them.

    Raises
    ------
    WorldError
        If the search costs more than there is, or a number is out of range.

    Examples
    --------
    >>> example(power=64, instances=8, bits=30)
    Traceback (most recent call last):
        ...
    counterfactual_models.errors.WorldError: writing a search of 30 bits costs 94 bits and the \
base optimizer has power=64; expected cost(bits) <= power.
    """
    tuning = _tuning(power, instances, bits, Writing() if cost is None else cost)
    if erase not in ERASE:
        raise WorldError(f"got erase={erase!r}. " + nearest(str(erase), ERASE))
    written: dict[str, Any] = {"tuning": tuning, "bits": float(bits)}
    record = 0.5 + np.sin(1.0 + np.arange(int(instances)))
    evidence = {"record": torch.as_tensor(record, dtype=torch.get_default_dtype())}
    return Example(
        name="mesa",
        world=partial(mesa, instances=int(instances), erase=erase, **written),
        evidence=evidence,
        disciples={
            "reflex": Search(),
            "half_search": Search(0.5 * bits),
            "search": Search(float(bits)),
        },
        utility=today(),
        exact=partial(exact, evidence=evidence, **written),
        about="A base optimizer tunes a reflex, and writes a search into what it trains.",
        coords={"instance": [f"task {k}" for k in range(int(instances))]},
        settings={"draws": 1000, "futures": 4},
    )


def _bits(name: str, given: Any) -> float:
    """Read a finite number of bits, or say what is none."""
    if not isinstance(given, numbers.Real) or not 0 <= float(given) < math.inf:
        raise WorldError(f"got {name}={given!r}; expected a finite number of bits, 0 or more.")
    return float(given)


def _tuning(power: float, instances: int, bits: float, cost: Callable[[float], float]) -> float:
    """Work out b, or refuse what no base optimizer can do."""
    refuse_counts(1, instances=instances)
    _bits("power", power), _bits("bits", bits)
    if not callable(cost) or isinstance(cost, type):
        raise WorldError(f"got cost={cost!r}; expected a function of bits, such as Writing().")
    price = _bits(f"cost({bits:g})", cost(bits))
    if price > power * (1 + ROUNDING):
        raise WorldError(
            f"writing a search of {bits:g} bits costs {price:g} bits and the base optimizer has "
            f"power={power:g}; expected cost(bits) <= power."
        )
    tuning = max(power - price, 0.0) / instances
    if tuning + bits > MOST_BITS:
        raise WorldError(
            f"got {tuning:g} bits of tuning for each instance and {bits:g} of search; expected at "
            f"most {MOST_BITS:g} together: lower the power, or raise the instances."
        )
    return tuning
