r"""Which draws look like the world with the disciple, judged by every measurement on its own?

.. math:: \mathrm{score}(w) = \sum_k \log \frac{p_{1,k}(W_k(w))}{p_{0,k}(W_k(w))}

Dependence between measurements is ignored, so nothing is fitted but frequencies of cells, and a
million measurements are read in chunks: scores add up. Impacts far too small to be seen in any one
measurement add up too. With A = Σ_k I_k δ_k² of signal (δ_k the shift of measurement k in standard
deviations, I_k ≈ .98 the share of its information which the cells keep) and N = 2K(B - 1)/n of
noise, n the draws a side that the frequencies are taken from, the event {score > 0} is expected to
differ by

.. math:: 2\Phi\!\left(\frac{A}{2\sqrt{A + N}}\right) - 1

on other draws. Cells and frequencies both come from draws that are not scored, or from a pilot.
Fewer cells make less noise, and miss what happens in the tails: of ten thousand shifts by .03,
learnt from 10 000 draws a side, sixteen cells and two tails show .49 and four cells .70.
"""

import numpy as np
from scipy import special

from inference.arrays.cell_counts import block_counts
from inference.arrays.cells import Cells, alike
from inference.arrays.joint_cells import AT_ONCE, cell_numbers

__all__ = ["expected_difference", "log_ratios", "naive_bayes_scores", "split_scores"]

SMOOTHING = 0.5
SIXTEEN = Cells.quantile()


def log_ratios(let_in: np.ndarray, erased: np.ndarray) -> np.ndarray:
    r"""How much does each cell speak for the world with the disciple?

    log((c₁ + ½)/(c₀ + ½)); what the erased world never visits is one cell, the novel one.

    Parameters
    ----------
    let_in, erased
        Counts of as many draws of each world, shape (cell, measurement).

    Returns
    -------
    np.ndarray
        Shape (measurement, cell).

    Examples
    --------
    >>> log_ratios(np.array([[5], [2], [3]]), np.array([[10], [0], [0]])).round(2)
    array([[-0.65,  2.4 ,  2.4 ]])
    """
    let_in, erased = let_in.astype(float), erased.astype(float)
    novel = erased == 0
    together = np.sum(let_in, axis=0, where=novel)
    counts = np.where(novel, together, let_in)
    return np.log((counts + SMOOTHING) / (erased + SMOOTHING)).T


def naive_bayes_scores(values: np.ndarray, edges: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Add up what the cells of each draw speak for.

    Parameters
    ----------
    values
        Shape (measurement, row).
    edges
        Shape (measurement, edges).
    ratios
        From :func:`log_ratios`, shape (measurement, edges + 1).

    Returns
    -------
    np.ndarray
        Shape (row,); the scores of several chunks of measurements add up to that of all.

    Examples
    --------
    >>> values, edges = np.array([[-1.0, 1.0], [1.0, 1.0]]), np.zeros((2, 1))
    >>> naive_bayes_scores(values, edges, np.array([[-1.0, 1.0], [-0.5, 0.5]]))
    array([-0.5,  1.5])
    """
    found = np.zeros(values.shape[1])
    step = max(1, AT_ONCE // max(1, values.shape[1]))
    for members in alike(edges):
        most = np.isfinite(edges[members]).sum(axis=-1).max()
        for start in range(0, len(members), step):
            some = members[start : start + step]
            numbers = cell_numbers(values[some], edges[some, :most])
            table = np.ascontiguousarray(ratios[some, : most + 1])
            place = numbers + np.arange(0, table.size, most + 1)[:, None]
            found += table.ravel().take(place).sum(axis=0)
    return found


def split_scores(
    values: np.ndarray,
    train: slice,
    test: slice,
    *,
    draws: int | None = None,
    cells: Cells = SIXTEEN,
) -> np.ndarray:
    """Take cells and frequencies from some rows, and score others.

    Parameters
    ----------
    values
        A chunk of measurements, shape (measurement, world, row); the first world is the erased.
    train, test
        Rows to learn from and rows to score.
    draws
        Number of posterior draws behind the rows that are learnt from; all of them by default.
    cells
        How measurements are cut: by default, into sixteen cells and two tails.

    Returns
    -------
    np.ndarray
        Partial scores, shape (world - 1, 2, row): for every disciple its let-in world, then the
        erased one. Those of several chunks add up.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(50, 2, 2000))
    >>> values[:, 1] += 0.2
    >>> scores = split_scores(values, slice(0, 1000), slice(1000, 2000))
    >>> share = (scores[0] > 0).mean(axis=-1)
    >>> bool(abs(share[0] - share[1] - expected_difference(np.full(50, 0.2), draws=1000)) < 0.06)
    True
    """
    edges = cells.edges(values[:, 0, train], draws=draws)
    bounds = np.array([0, values[:, 0, train].shape[1]])
    erased = block_counts(values[:, 0, train], edges, bounds)[0]
    found = []
    for world in range(1, values.shape[1]):
        let_in = block_counts(values[:, world, train], edges, bounds)[0]
        ratios = log_ratios(let_in, erased)
        found.append(
            [naive_bayes_scores(values[:, each, test], edges, ratios) for each in (world, 0)]
        )
    return np.array(found)


def expected_difference(
    shifts: np.ndarray, *, draws: int, cells: int = 18, information: float = 0.98
) -> float:
    r"""How far would the held-out event {score > 0} differ between normal worlds so shifted?

    Parameters
    ----------
    shifts
        In standard deviations, one per measurement.
    draws
        Draws a side that the frequencies are taken from.
    cells
        Number of cells per measurement, tails included.
    information
        Share of a shift's Fisher information that the cells keep.

    Returns
    -------
    float
        :math:`2\Phi(A/2\sqrt{A + N}) - 1`, as the head of this file has it.

    Examples
    --------
    >>> round(expected_difference(np.full(10_000, 0.03), draws=5000, cells=16), 3)
    0.405
    """
    signal = information * float(np.square(shifts).sum())
    noise = 2 * np.size(shifts) * (cells - 1) / draws
    return float(2 * special.ndtr(0.5 * signal / np.sqrt(signal + noise)) - 1)
