r"""Which event is far likelier in one world than in the other, as far as these draws tell?

A witness is a score of worlds: the event {score > 0} is where the world with the disciple looks
likelier. No event differs by more than the total variation, whatever it was learnt from; so what a
learnt event is worth is judged on other draws (:mod:`inference.arrays.held_out`).

* ``lda``: log ratio of normal laws with one covariance; sees that means moved;
* ``qda``: log ratio of normal laws; sees that spreads and correlations changed, too;
* ``mlp``: a neural network of two layers; sees more, given the draws;
* ``cells``: log ratio of the frequencies of joint cells, for up to three measurements;
* ``naive_bayes``: see :mod:`inference.arrays.naive_bayes`; the only one that is read in chunks.
"""

import warnings
from collections.abc import Callable

import numpy as np

from inference.arrays.cells import Cells
from inference.arrays.joint_cells import cell_numbers, joint_keys

__all__ = ["MOST_MEASUREMENTS", "MOST_VALUES", "WITNESSES", "affordable", "trained_witness"]

WITNESSES = ("naive_bayes", "lda", "qda", "mlp", "cells")
"""In the order in which a tie is decided."""
MOST_MEASUREMENTS = {"naive_bayes": None, "lda": 300, "qda": 300, "mlp": 300, "cells": 3}
"""Covariances of 300 measurements are learnt in a second, a network in ten."""
MOST_VALUES = 2**26
"""All but naive Bayes hold all draws of all measurements at once: half a gigabyte at most."""
FEWEST_FOR_NETWORK = 400
MOST_TRAINED = 20_000
LAYERS = (64, 64)
ROWS_PER_CELL = 25
FAR = 20.0
RIDGE = 1e-6
LARGEST = 1e300
"""Stands for a deviation too large to be computed."""

Score = Callable[[np.ndarray], np.ndarray]


def affordable(measurements: int, values: int, rows: int) -> tuple[str, ...]:
    """List the witnesses that these worlds can be judged by.

    Parameters
    ----------
    measurements
        Their number.
    values
        Number of draws of all measurements in all worlds.
    rows
        Draws a side that a witness is learnt from.

    Returns
    -------
    tuple of str
        Naive Bayes always. The others, which hold everything at once, for up to 300 measurements
        (``cells``: 3) and 2²⁶ values; a network is learnt from 400 draws a side or more.

    Examples
    --------
    >>> affordable(2, 16_000, 2000)
    ('naive_bayes', 'lda', 'qda', 'mlp', 'cells')
    >>> affordable(1_000_000, 8_000_000_000, 2000)
    ('naive_bayes',)
    """
    if values > MOST_VALUES:
        return ("naive_bayes",)
    fitting = [
        kind for kind, most in MOST_MEASUREMENTS.items() if measurements <= (most or np.inf)
    ]
    return tuple(kind for kind in fitting if kind != "mlp" or rows >= FEWEST_FOR_NETWORK)


def trained_witness(
    kind: str, let_in: np.ndarray, erased: np.ndarray, *, draws: int | None = None, seed: int = 0
) -> Score:
    """Learn a witness from some draws of both worlds.

    Measurements are centred at the erased median, scaled by the erased quartiles (or deviation)
    and cut off at twenty such scales, so that no offset, unit or outlier drowns the rest. Those
    that never change are dropped.

    Parameters
    ----------
    kind
        Of :data:`WITNESSES`, but for ``naive_bayes``.
    let_in, erased
        Shape (measurement, row).
    draws
        Number of posterior draws behind the rows; all by default.
    seed
        Of the network.

    Returns
    -------
    Callable
        Takes draws of shape (measurement, row) to scores of shape (row,), above 0 where the world
        with the disciple looks likelier.

    Examples
    --------
    >>> erased, let_in = np.random.default_rng(0).normal([[[0.0]], [[1.0]]], size=(2, 1, 1000))
    >>> score = trained_witness("lda", let_in, erased)
    >>> (score(np.array([[0.3, 0.7]])) > 0).tolist()
    [False, True]
    """
    if kind == "cells":
        return _cells(let_in, erased, draws)
    scaled = _scaling(let_in, erased)
    on, off = scaled(_thinned(let_in)), scaled(_thinned(erased))
    if on.shape[1] == 0:
        return lambda values: np.zeros(values.shape[1])
    if kind == "mlp":
        score = _network(on, off, seed)
    else:
        score = _normal_laws(on, off, shared=kind == "lda")
    return lambda values: score(scaled(values))


def _thinned(values: np.ndarray) -> np.ndarray:
    """Keep 20 000 rows at most, evenly spaced: more teach hardly more."""
    rows = values.shape[1]
    if rows <= MOST_TRAINED:
        return values
    return values[:, np.linspace(0, rows - 1, MOST_TRAINED).astype(int)]


def _scaling(let_in: np.ndarray, erased: np.ndarray) -> Score:
    """Turn (measurement, row) into standardised (row, measurement that changes)."""
    low, centre, high = np.quantile(erased, [0.25, 0.5, 0.75], axis=1)[..., None]
    with np.errstate(over="ignore", invalid="ignore"):
        spread = (high - low) / 1.349
        for wider in (erased, np.concatenate([let_in, erased], axis=1)):
            varies = (wider.max(axis=1) > wider.min(axis=1))[:, None]
            deviation = np.nan_to_num(wider.std(axis=1, keepdims=True), nan=LARGEST)
            spread = np.where((spread > 0) | ~varies, spread, deviation)
    kept = np.flatnonzero(spread[:, 0] > 0)
    centre, spread = centre[kept], spread[kept]

    def scaled(values: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            standard = (values[kept] - centre) / spread
        return np.clip(np.nan_to_num(standard, nan=0.0), -FAR, FAR).T

    return scaled


def _normal_laws(on: np.ndarray, off: np.ndarray, *, shared: bool) -> Score:
    """Log ratio of the normal laws of two worlds, their covariances shrunk (Ledoit and Wolf)."""
    from sklearn.covariance import ledoit_wolf

    means = on.mean(axis=0), off.mean(axis=0)
    laws = []
    for draws, mean in zip((on, off), means, strict=True):
        covariance, _ = ledoit_wolf(draws - mean, assume_centered=True)
        # One measurement is never shrunk, and may not vary at all.
        laws.append(np.atleast_2d(covariance) + RIDGE * np.eye(len(mean)))
    if shared:
        direction = np.linalg.solve(0.5 * (laws[0] + laws[1]), means[0] - means[1])
        threshold = direction @ (0.5 * (means[0] + means[1]))
        return lambda draws: draws @ direction - threshold
    roots = [np.linalg.cholesky(np.linalg.inv(law)) for law in laws]
    constant = sum(
        sign * np.log(np.diag(root)).sum() for sign, root in zip((1, -1), roots, strict=True)
    )

    def score(draws: np.ndarray) -> np.ndarray:
        near, far = (
            np.square((draws - mean) @ root).sum(axis=1)
            for mean, root in zip(means, roots, strict=True)
        )
        return 0.5 * (far - near) + constant

    return score


def _network(on: np.ndarray, off: np.ndarray, seed: int) -> Score:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(
        LAYERS,
        batch_size=min(512, len(on)),
        learning_rate_init=3e-3,
        max_iter=40,
        early_stopping=len(on) >= FEWEST_FOR_NETWORK // 2,
        n_iter_no_change=5,
        random_state=seed,
    )
    both = np.concatenate([on, off]).astype(np.float32)
    with warnings.catch_warnings():
        # A network that could have learnt more gives a lower lower bound, and no wrong one.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(both, np.repeat([1, 0], [len(on), len(off)]))
    return lambda draws: network.predict_proba(draws.astype(np.float32))[:, 1] - 0.5


def _cells(let_in: np.ndarray, erased: np.ndarray, draws: int | None) -> Score:
    """More draws in this joint cell or fewer, with some 25 in each and 16 cells a measurement."""
    rows = erased.shape[1] if draws is None else draws
    each = int((rows / ROWS_PER_CELL) ** (1 / len(erased)))
    edges = Cells.quantile(int(np.clip(each, 2, 16))).edges(erased, draws=draws)

    def keys(values: np.ndarray) -> np.ndarray:
        return joint_keys(cell_numbers(values, edges))

    visited, which = np.unique(np.concatenate([keys(let_in), keys(erased)]), return_inverse=True)
    counts = [
        np.bincount(half, minlength=len(visited))
        for half in (which[: let_in.shape[1]], which[let_in.shape[1] :])
    ]
    difference = (counts[0] - counts[1]).astype(float)

    def score(values: np.ndarray) -> np.ndarray:
        own = keys(values)
        place = np.minimum(np.searchsorted(visited, own), len(visited) - 1)
        return np.where(visited[place] == own, difference[place], 0.0)

    return score
