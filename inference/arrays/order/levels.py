r"""Do the bits of levels add up, where the tail of each against the one below is known exactly?

From draws of worlds alone: :func:`inference.arrays.order.achieved.achieved_chain`. Here U is the
chance that the lower level does as well, a draw for each world of the upper one:

.. math:: \log_2 N = \log_2 \frac{m}{\sum_t -\ln(1 - U_t)}, \qquad
          \text{mean tail} = -\log_2 \mathrm{E}[U], \qquad
          \text{expected} = \mathrm{E}[-\log_2 U].

N is how many random tries the upper level's worlds look like the best of. Chance itself scores 0
bits of it, 1 of the mean tail and :math:`\log_2 e = 1.4427` expected ones, so that of the three
only log2 N adds up along a chain of levels.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError
from inference.arrays.order.chain_errors import BitsKnown, as_chains, error_of_estimate
from inference.arrays.order.exceedance import log_surprise

__all__ = ["ChainOfLevels", "chain_of_levels"]

_LN2 = np.log(2.0)


@dataclass(frozen=True)
class ChainOfLevels:
    """Steps from level to level, their sum, the way straight from the first level to the last.

    Parameters
    ----------
    steps
        Of every level against the one before.
    chain
        Their sum.
    direct
        Of the last level against the first.
    gap
        `direct` less `chain`.
    """

    steps: tuple[BitsKnown, ...]
    chain: BitsKnown
    direct: BitsKnown
    gap: BitsKnown


def chain_of_levels(
    tails: Mapping[tuple[int, int], np.ndarray], *, log: bool = False
) -> dict[str, ChainOfLevels]:
    """Do steps whose tails are known exactly add up to the bits of the whole way?

    Parameters
    ----------
    tails
        Under (i, j) the chance that level i does as well as each draw of level j: for all
        (j - 1, j), and for (0, last). Shape (draw,), (chain, draw) or (chain, draw, future);
        strictly between 0 and 1. From r of n draws take (r + 1/2)/(n + 1).
    log
        Whether natural logarithms of these are given, which may be below -745.

    Returns
    -------
    dict of str to ChainOfLevels
        ``"mean_tail"``, ``"expected"`` and ``"log2_n"``. Only the last has a gap of zero where
        every level is the best of several tries of the one before: the others count what chance
        scores once for each step; it is the likeliest N of
        :func:`~inference.arrays.order.best_of_n.best_of_n`. Errors are those of the draws of the
        upper levels; as many chains and draws are taken to share their past.

    Raises
    ------
    CounterfactualError
        If a pair of levels is missing, or a tail is not strictly between 0 and 1.

    Examples
    --------
    >>> best8, best128 = (1 - np.random.default_rng(0).random((2, 4000)).T ** [1 / 8, 1 / 128]).T
    >>> tails = {(0, 1): best8, (1, 2): 1 - (1 - best128) ** 8, (0, 2): best128}
    >>> found = chain_of_levels(tails)["log2_n"]
    >>> round(found.chain.bits), round(found.direct.bits), abs(found.gap.bits) < 4 * found.gap.mcse
    (7, 7, True)
    """
    last = max((upper for _, upper in tails), default=0)
    pairs = [(level, level + 1) for level in range(last)]
    wanted = [*pairs, (0, last)]
    missing = [pair for pair in wanted if pair not in tails]
    if last < 1 or missing:
        raise CounterfactualError(
            f"got tails of the levels {sorted(tails)}; expected those of every step and of the "
            f"whole way: {missing if last else [(0, 1)]} missing."
        )
    found = {
        pair: _summarised(_log_tails(tails[pair], f"tails[{pair}]", log)) for pair in {*wanted}
    }
    chains = {}
    for name in ("mean_tail", "expected", "log2_n"):
        steps = [found[pair][name] for pair in pairs]
        direct = found[0, last][name]
        back = [(-bits, -influence) for bits, influence in steps]
        chains[name] = ChainOfLevels(
            steps=tuple(_known([step]) for step in steps),
            chain=_known(steps),
            direct=_known([direct]),
            gap=_known([direct, *back]) if last > 1 else BitsKnown(0.0, 0.0),
        )
    return chains


def _log_tails(tails: np.ndarray, name: str, log: bool) -> np.ndarray:
    values = as_chains(tails, name)
    inside = values < 0 if log else (values > 0) & (values < 1)
    if not inside.all():
        place = [int(at) for at in np.argwhere(~inside)[0]]
        raise CounterfactualError(
            f"got {name}{place} = {values[tuple(place)]:g} (chain, draw, future); expected "
            f"{'a natural logarithm below 0' if log else 'a chance strictly between 0 and 1'}: "
            "from r of n draws of the baseline take (r + 1/2) / (n + 1)."
        )
    return values if log else np.log(values)


def _summarised(logs: np.ndarray) -> dict[str, tuple[float, np.ndarray]]:
    """Bits by three summaries of log tails, and by how much each draw moves them."""
    expected = -logs / _LN2
    return {
        "mean_tail": _of_log_mean(logs),
        "expected": (float(expected.mean()), expected - expected.mean()),
        "log2_n": _of_log_mean(log_surprise(logs)),
    }


def _of_log_mean(logs: np.ndarray) -> tuple[float, np.ndarray]:
    mean = special.logsumexp(logs) - np.log(logs.size)
    return float(0.0 - mean / _LN2), (1 - np.exp(logs - mean)) / _LN2


def _known(parts: list[tuple[float, np.ndarray]]) -> BitsKnown:
    """Sum of estimates, with the error that their draws have together."""
    total = float(sum(bits for bits, _ in parts))
    return BitsKnown(total, error_of_estimate([influence for _, influence in parts]))
