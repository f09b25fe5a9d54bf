r"""How unlikely is each utility in the erased world, by plain draws and weighted ones beyond?

.. math:: P_0(U \ge u) \approx \frac{\#\{u \le U_i < b\} / n + R(\max(u, b))}
                                     {\#\{U_i < b\} / n + R(b)}

with n plain draws below a border b, which the last twenty or so reach, and R the mass of weighted
draws (importance or splitting) from there on.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inference.arrays.order.counting import indicator_effective, least_bits

__all__ = ["KEPT", "Baseline", "Weighted", "border_of", "independent_rare", "refined"]

KEPT = 20
"""Independent draws beyond which weighted ones take over."""
Weighted = tuple[np.ndarray, np.ndarray]
"""Utilities and natural logarithms of masses."""
_LOG2 = np.log(2.0)


@dataclass(frozen=True)
class Baseline:
    """Draws of P0 and their logarithmic masses.

    Parameters
    ----------
    utility, log_measure
        Shape (draw,), ascending by utility; masses up to a constant.
    resolution
        How many bits a draw must have of which the baseline shows nothing as good.
    repeats
        How many draws are worth one independent draw.
    log_surprise
        Natural logarithm of the least -ln P0(U <= u) of a draw that is worse than all of these;
        taken for what one draw more would show if None.
    """

    utility: np.ndarray
    log_measure: np.ndarray | None
    resolution: float
    repeats: float = 1.0
    log_surprise: float | None = None

    @cached_property
    def _at_least(self) -> np.ndarray:
        """Logarithms of the shares of this draw and all that are better; then of nothing."""
        if self.log_measure is None:
            left = np.arange(self.utility.size, -1.0, -1.0)
            with np.errstate(divide="ignore"):
                return np.log(left) - np.log(self.utility.size)
        total = np.logaddexp.accumulate(self.log_measure[::-1])[::-1]
        return np.append(total - total[0], -np.inf)

    def log_tails(self, utility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Natural logarithms of P0(U >= u) and P0(U > u), shaped as these; -inf for no draw."""
        worse, no_better = (
            np.searchsorted(self.utility, utility, side=side) for side in ("left", "right")
        )
        return self._at_least[worse], self._at_least[no_better]

    def bits(self, utility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bits of utilities, and whether they are censored; shaped as these."""
        at, _ = self.log_tails(utility)
        censored = np.isneginf(at)
        return np.where(censored, self.resolution, -at / _LOG2) + 0.0, censored


def border_of(ordered: np.ndarray, independent: float) -> float:
    """Find what so many rows reach as are worth :data:`KEPT` independent ones.

    Parameters
    ----------
    ordered
        Utilities of draws of P0, ascending.
    independent
        How many independent draws they are worth.

    Returns
    -------
    float
        A utility that the better half has.

    Examples
    --------
    >>> border_of(np.arange(1000.0), 1000.0), border_of(np.arange(1000.0), 100.0)
    (980.0, 800.0)
    """
    rows = int(np.ceil(KEPT * max(1.0, len(ordered) / independent)))
    return float(ordered[-min(rows, max(1, len(ordered) // 2))])


def independent_rare(erased: np.ndarray, latents: float = np.inf) -> float:
    """Count the independent rows that draws are worth to who looks for the rarest of them.

    Parameters
    ----------
    erased
        Utilities, shape (chain, draw[, future]).
    latents
        As for :func:`~.counting.indicator_effective`.

    Returns
    -------
    float

    Examples
    --------
    >>> quick = np.random.default_rng(0).normal(size=(4, 1000))
    >>> independent_rare(quick) > 3000, independent_rare(np.repeat(quick, 5, axis=1)) < 5000
    (True, True)
    """
    return float(indicator_effective(erased, np.inf, latents=latents))


def refined(
    erased: np.ndarray,
    rare: Weighted | None = None,
    *,
    independent: float,
    lower: float = 0.0,
    border: float | None = None,
) -> Baseline:
    """Put weighted draws where the plain ones are too few.

    Parameters
    ----------
    erased
        Utilities of draws of P0, flat.
    rare
        Utilities and logarithmic masses of weighted ones, whose masses add up to P0 of wherever
        they go.
    independent
        How many independent draws the plain ones are worth, of :func:`independent_rare`.
    lower
        Bits that are known to be needed beyond the last weighted one.
    border
        Weighted draws are taken from there on; by default where :data:`KEPT` independent plain
        ones are.

    Returns
    -------
    Baseline

    Examples
    --------
    >>> draws = np.arange(1000.0)
    >>> halves = np.arange(980.0, 1100.0), np.log(0.02) - np.arange(120.0) * np.log(2)
    >>> plain, deep = (refined(draws, rare, independent=1000.0) for rare in (None, halves))
    >>> plain.bits(np.array([990.0, 1050.0]))[1], deep.bits(np.array([1050.0]))[1]
    (array([False,  True]), array([False]))
    """
    number = len(erased)
    resolution = max(lower, float(least_bits(0, number, effective=independent)))
    ordered = np.sort(erased)
    if rare is not None:
        first = border_of(ordered, independent) if border is None else border
        far = rare[0] >= first
        plain = ordered[: np.searchsorted(ordered, first)]
        if np.isfinite(rare[1][far]).any() and len(plain):
            order = np.argsort(rare[0][far], kind="stable")
            masses = np.full(len(plain), -np.log(number))
            utility = np.concatenate([plain, rare[0][far][order]])
            mass = np.concatenate([masses, rare[1][far][order]])
            return Baseline(utility[mass > -np.inf], mass[mass > -np.inf], resolution)
    return Baseline(ordered, None, resolution, max(1.0, number / independent))
