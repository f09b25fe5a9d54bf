r"""How different are two sets of draws, in numbers that a disciple can be trained on?

| function | sees | value | gradient at equal worlds |
|---|---|---|---|
| :func:`chi_squared_halves` | measurements | unbiased | unbiased: **train on this one** |
| :func:`energy_distance`, :func:`mmd` | rows | unbiased for independent rows | the same |
| :func:`sliced_wasserstein` | rows | too large by its noise | wrong: do not train to zero |

A modulus of a noisy difference is never zero, and neither is its gradient: near equal worlds the
total variation of n draws rises whichever way a parameter moves, at a rate that is noise (at a
shift of .05 and 2000 draws a side, .17 for .40). A square has the same fault, E[d²] = (E d)² +
var d; the product of two independent estimates of d has not. So train on the product, and judge by
``diagnostics.coarse_graining`` on fresh draws, which have not been trained on.

All take draws as (row, measurement), put each measurement on the scale of the erased world (its
mean and standard deviation, held fixed), give a scalar in the draws' own dtype and device, and are
differentiable in both. They are no distances between `let_in` and `erased` the other way round.
"""

import math
from collections.abc import Sequence

import torch

from counterfactual_models.errors import CounterfactualError, refuse_counts
from inference.draw_tensors import (
    checked_pair,
    checked_rows,
    erased_scale,
    matched_ranks,
    ranked,
    seeded_normal,
    sum_of_distances,
    summed,
)

__all__ = [
    "chi_squared_halves",
    "energy_distance",
    "mmd",
    "sliced_wasserstein",
    "soft_cells",
]

KERNEL_WIDTHS = (0.5, 1.0, 2.0)


def chi_squared_halves(
    let_in: torch.Tensor,
    erased: torch.Tensor,
    *,
    edges: torch.Tensor | Sequence[float] | None = None,
    cells: int = 16,
    noise: float = 0.1,
    each: bool = False,
) -> torch.Tensor:
    r"""Compare the cells of every measurement, by two independent halves of the draws.

    .. math:: \sum_b \frac{d^A_b\, d^B_b}{p_{0b}}, \qquad d_b = p_{1b} - p_{0b}

    with the cells of an instrument that reads every draw with Gaussian noise, so that masses are
    smooth in the draws. Its mean is the chi-squared divergence of the blurred cells, and the mean
    of its gradient is the divergence's gradient: zero where the worlds are equal. That makes it
    the one to train on. (Up to 1/ESS: the erased masses below are estimated, from all rows.) It
    bounds the blurred total variation, tv <= ½ sqrt(chi²); single values may be negative.

    The halves are the first and the second half of the rows of each world: pass chains one after
    the other, futures of a draw next to each other. Then only the rows at the cut of an
    autocorrelated chain are dependent; shuffled, every row of one half has a neighbour in the
    other, and the value is too large. (Chains worth under a hundred draws still read some tenths
    too much.) Row k of both worlds may share its noise, and had better.

    Where the worlds are so far apart that no draw comes within a few `noise` of an edge, nothing
    pulls: begin with a noise of 1 or with :func:`energy_distance`, and go down.

    Parameters
    ----------
    let_in, erased
        Shapes (n, measurement) and (m, measurement), or (n,) and (m,); at least 4 rows.
    edges
        Inner edges in the measurements' own units, ascending, shape (edge,) or (measurement,
        edge); by default the k/cells quantiles of the erased draws. For training, take them once,
        from a pilot: they are part of the question.
    cells
        Number of cells, if no edges are given.
    noise
        Standard deviation of the instrument, in standard deviations of the erased world.
    each
        One value for each measurement, to be weighed; else their mean.

    Returns
    -------
    torch.Tensor
        Scalar, or shape (measurement,).

    Raises
    ------
    CounterfactualError
        If shapes do not fit, a draw is not finite, or an option makes no sense.

    Examples
    --------
    >>> noise = torch.randn(2, 20_000, 1, generator=torch.Generator().manual_seed(0))
    >>> shift = torch.tensor(0.2, requires_grad=True)
    >>> chi_squared_halves(noise[1] + shift, noise[0]).backward()
    >>> abs(shift.grad.item() - 0.4) < 0.1
    True
    """
    let_in, erased = checked_pair(let_in, erased, least=4)
    refuse_counts(2, cells=cells)
    origin, scale = erased_scale(erased)
    let_in, erased = (let_in - origin) / scale, (erased - origin) / scale
    if edges is None:
        inner = _quantiles(erased.detach(), cells, noise)
    else:
        given = _edges(edges, erased)
        inner = (given - origin[:, None]) / scale[:, None]
    on, off = (
        [soft_cells(half, inner, noise=noise) for half in _halves(x)] for x in (let_in, erased)
    )
    share = (len(erased) // 2) / len(erased)
    base = (share * off[0] + (1 - share) * off[1]).detach()
    first, second = on[0] - off[0], on[1] - off[1]
    # A cell that no erased row visits counts as visited once: it is rare, not impossible.
    terms = first * second / base.clamp_min(1 / len(erased))
    return terms.sum(-1) if each else terms.sum(-1).mean()


def soft_cells(
    values: torch.Tensor, edges: torch.Tensor | Sequence[float], *, noise: float
) -> torch.Tensor:
    r"""Say how often an instrument with Gaussian noise would read each cell.

    .. math:: p_b = \frac1n \sum_t \Phi\big(\tfrac{e_{b+1} - w_t}{h}\big)
              - \Phi\big(\tfrac{e_b - w_t}{h}\big)

    Parameters
    ----------
    values
        Draws, shape (n, measurement) or (n,).
    edges
        Inner edges, ascending, shape (edge,) or (measurement, edge).
    noise
        Standard deviation h of the instrument, in the units of the values.

    Returns
    -------
    torch.Tensor
        Masses that add up to 1, shape (measurement, edge + 1); differentiable in the values.

    Examples
    --------
    >>> soft_cells(torch.tensor([0.0, 10.0]), [0.0], noise=0.1)
    tensor([[0.2500, 0.7500]])
    """
    if not (math.isfinite(noise) and noise > 0):
        raise CounterfactualError(f"got noise={noise}; expected a positive number, such as 0.1.")
    values = checked_rows("values", values)
    inner = _edges(edges, values)

    def below(rows: torch.Tensor) -> torch.Tensor:
        return torch.special.ndtr((inner - rows[:, :, None]) / noise).sum(0)

    under = summed(below, values, inner.numel()) / len(values)
    first = torch.zeros_like(under[:, :1])
    return torch.diff(torch.cat([first, under, first + 1], dim=1), dim=1)


def energy_distance(let_in: torch.Tensor, erased: torch.Tensor) -> torch.Tensor:
    r"""Compare whole rows by how far they lie from each other.

    .. math:: 2\,\mathbb{E}|w_1 - w_0| - \mathbb{E}|w_1 - w_1'| - \mathbb{E}|w_0 - w_0'|

    the *square* of the energy distance, in standard deviations of the erased world: zero only if
    the worlds agree in all measurements jointly, as far as moments exist. Pairs are never a row
    with itself, so value and gradient are unbiased for independent rows. A chain's neighbours are
    alike, and shared noise makes row k of both worlds alike: the first makes it too large and the
    second too small, both by the share of such pairs, some (autocorrelation time)/n. Thin the
    chains, or train on :func:`chi_squared_halves`, which minds neither.

    Time grows as n times m; memory does not.

    Parameters
    ----------
    let_in, erased
        Shapes (n, measurement) and (m, measurement), or (n,) and (m,).

    Returns
    -------
    torch.Tensor
        Scalar; about zero, and possibly below, for equal worlds. Gradients at equal rows are 0.

    Raises
    ------
    CounterfactualError
        If shapes do not fit, or a draw is not finite.

    References
    ----------
    Székely and Rizzo (2013), "Energy statistics: a class of statistics based on distances",
    *Journal of Statistical Planning and Inference* 143(8).

    Examples
    --------
    >>> noise = torch.randn(2, 2000, 1, generator=torch.Generator().manual_seed(0))
    >>> abs(energy_distance(noise[1] + 1, noise[0]).item() - 0.5418) < 0.1
    True
    """
    let_in, erased = checked_pair(let_in, erased)
    origin, scale = erased_scale(erased)
    on, off = (let_in - origin) / scale, (erased - origin) / scale
    across = sum_of_distances(on, off) / (len(on) * len(off))
    # Centred once more: distances by a matrix product lose digits far from the origin.
    on = on - on.detach().mean(0)
    within = [sum_of_distances(x, x) / (len(x) * (len(x) - 1)) for x in (on, off)]
    return 2 * across - within[0] - within[1]


def sliced_wasserstein(
    let_in: torch.Tensor,
    erased: torch.Tensor,
    *,
    projections: int = 128,
    seed: int = 0,
    power: float = 2,
) -> torch.Tensor:
    r"""Compare whole rows by how far mass must move, along random directions.

    .. math:: \Big(\frac1L \sum_l \int_0^1 |Q_{1l}(u) - Q_{0l}(u)|^p\, du\Big)^{1/p}

    with Q the quantiles of the rows' projections on direction l, in standard deviations of the
    erased world. Two samples of one world are some 1/sqrt(n) apart, and the gradient there is
    noise: use it while worlds are far apart, where it pulls as hard as from near by, and not to
    train to zero. Autocorrelated rows make that noise larger, and nothing else.

    Parameters
    ----------
    let_in, erased
        Shapes (n, measurement) and (m, measurement), or (n,) and (m,).
    projections
        Number L of directions; a single measurement has but one.
    seed
        Of the directions, the same in every dtype and on every device.
    power
        p, at least 1.

    Returns
    -------
    torch.Tensor
        Scalar, at least 0. The gradient at equal rows is 0.

    Raises
    ------
    CounterfactualError
        If shapes do not fit, a draw is not finite, or an option makes no sense.

    References
    ----------
    Bonneel, Rabin, Peyré and Pfister (2015), "Sliced and Radon Wasserstein barycenters of
    measures", *Journal of Mathematical Imaging and Vision* 51.

    Examples
    --------
    >>> noise = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
    >>> moved = noise + noise.std(0) * torch.tensor([3.0, 4.0])
    >>> abs(sliced_wasserstein(moved, noise).item() - 5 / 2**0.5) < 0.3
    True
    """
    let_in, erased = checked_pair(let_in, erased)
    refuse_counts(1, projections=projections)
    if not (math.isfinite(power) and power >= 1):
        raise CounterfactualError(f"got power={power}; expected a number of at least 1.")
    origin, scale = erased_scale(erased)
    on, off = (let_in - origin) / scale, (erased - origin) / scale
    *across, widths = matched_ranks(len(on), len(off), on)

    def cost(directions: torch.Tensor) -> torch.Tensor:
        moved = [ranked(directions @ x.T)[:, at] for x, at in zip((on, off), across, strict=True)]
        return ((moved[0] - moved[1]).abs().pow(power) * widths).sum()

    directions = _directions(projections, on, seed)
    total = summed(cost, directions, len(on) + len(off)) / len(directions)
    # The root has no slope at zero; its argument there is replaced, as `where` spoils gradients.
    apart = total > 0
    return torch.where(apart, torch.where(apart, total, 1.0).pow(1 / power), total)


def mmd(
    let_in: torch.Tensor,
    erased: torch.Tensor,
    *,
    features: int = 512,
    bandwidth: float | Sequence[float] | None = None,
    seed: int = 0,
) -> torch.Tensor:
    r"""Compare whole rows by the means of random waves.

    .. math:: \mathbb{E}\,k(w_1, w_1') + \mathbb{E}\,k(w_0, w_0') - 2\,\mathbb{E}\,k(w_1, w_0),
              \qquad k(v, w) = \operatorname{mean}_h\, e^{-|v - w|^2 / 2h^2}

    the *square* of the maximum mean discrepancy, its kernel replaced by a mean of cosines with
    random frequencies. Pairs are never a row with itself, so value and gradient are unbiased for
    independent rows; the seed moves the value by its own 1/sqrt(features). For chains and shared
    noise :func:`energy_distance` says what is to be done. Time grows as n.

    Parameters
    ----------
    let_in, erased
        Shapes (n, measurement) and (m, measurement), or (n,) and (m,).
    features
        Number of frequencies, dealt out among the bandwidths.
    bandwidth
        h, or several, in standard deviations of the erased world; by default .5, 1 and 2 times
        the root of the number of measurements.
    seed
        Of the frequencies, the same in every dtype and on every device. Another seed in each step
        of training sees in the end what a single one misses.

    Returns
    -------
    torch.Tensor
        Scalar; about zero, and possibly below, for equal worlds; at most some 2.

    Raises
    ------
    CounterfactualError
        If shapes do not fit, a draw is not finite, or an option makes no sense.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf and Smola (2012), "A kernel two-sample test", *JMLR* 13.
    Rahimi and Recht (2007), "Random features for large-scale kernel machines", *NeurIPS*.

    Examples
    --------
    >>> noise = torch.randn(2, 20_000, 1, generator=torch.Generator().manual_seed(0))
    >>> abs(mmd(noise[1] + 1, noise[0]).item() - 0.1469) < 0.02
    True
    """
    let_in, erased = checked_pair(let_in, erased)
    widths = [bandwidth] if isinstance(bandwidth, int | float) else bandwidth
    if widths is None:
        widths = [width * let_in.shape[1] ** 0.5 for width in KERNEL_WIDTHS]
    if not len(widths) or not all(math.isfinite(width) and width > 0 for width in widths):
        raise CounterfactualError(f"got bandwidth={bandwidth}; expected positive numbers.")
    refuse_counts(len(widths), features=features)
    origin, scale = erased_scale(erased)
    on, off = (let_in - origin) / scale, (erased - origin) / scale
    waves = seeded_normal((features, on.shape[1]), on, seed)
    dealt = torch.tensor(widths, dtype=torch.float64).repeat(-(-features // len(widths)))
    waves = waves / dealt[:features, None].to(on)

    def waved(rows: torch.Tensor) -> torch.Tensor:
        phase = rows @ waves.T
        return torch.cat([phase.cos().sum(0), phase.sin().sum(0)])

    one, none = (summed(waved, x, 2 * features) for x in (on, off))
    n, m = len(on), len(off)
    # cos² + sin² = 1: a row with itself gives exactly 1, and n of them are taken away.
    within = [(s.square().sum() / features - k) / (k * (k - 1)) for s, k in ((one, n), (none, m))]
    return within[0] + within[1] - 2 * (one * none).sum() / (features * n * m)


def _edges(edges: torch.Tensor | Sequence[float], values: torch.Tensor) -> torch.Tensor:
    given = torch.as_tensor(edges).detach().to(values)
    count = values.shape[1]
    if given.ndim not in (1, 2) or (given.ndim == 2 and len(given) != count) or not given.numel():
        raise CounterfactualError(
            f"edges have shape {tuple(given.shape)}; expected (edge,) or ({count}, edge)."
        )
    if not (torch.isfinite(given).all() and (given.diff() >= 0).all()):
        raise CounterfactualError("edges must be finite and ascending.")
    return given.expand(count, -1)


def _quantiles(erased: torch.Tensor, cells: int, noise: float) -> torch.Tensor:
    """Inner edges at the k/cells quantiles, midway between two draws; (measurement, edge).

    Where both draws are one value, such as the zeros of a count, an edge on it would cut it in
    two halves that never differ: it gets an edge on either side, out of reach of the noise.
    """
    series = ranked(erased.T)
    at = torch.arange(1, cells, device=erased.device) * len(erased) // cells
    above, below = series[:, at], series[:, (at - 1).clamp_min(0)]
    off = torch.where(above == below, 3.0 * noise, 0.0).to(series)
    middle = (above + below) / 2
    return torch.cat([middle - off, middle + off], dim=1).sort(dim=1).values


def _halves(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def _directions(projections: int, like: torch.Tensor, seed: int) -> torch.Tensor:
    if like.shape[1] == 1:
        return like.new_ones(1, 1)
    directions = seeded_normal((projections, like.shape[1]), like, seed)
    return directions / directions.norm(dim=1, keepdim=True)
