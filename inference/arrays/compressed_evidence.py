r"""Which few numbers say all that the evidence says?

.. math:: \tilde s \approx q Z^\top, \qquad y = Z^\top e

A thousand lolcats have a thousand scores, which all move together: they tell one number. Scores
span no more dimensions than the past has latents, so the evidence may be replaced by a few
numbers y whose scores are q, and nothing that draws can tell is lost. The dimensions are those in
which evidence moves most before it is known and matters most to belief: the leading ones of

.. math:: \tilde S \Sigma_e \tilde S^\top, \qquad
          \Sigma_e = \mathrm{Cov}(E[e \mid z]) + \mathrm{diag}(\mathrm{noise}^2),

found by subspace iteration from random directions. Neither this matrix nor Σ_e is ever made.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["CompressedEvidence", "compressed_evidence"]

MOST = 128
SPARE, PASSES, PROBES = 16, 3, 16
AT_ONCE = 2**22
NOTHING = 1e-10
"""Share of the largest eigenvalue that is rounding."""


@dataclass(frozen=True)
class CompressedEvidence:
    """Evidence of few numbers.

    Parameters
    ----------
    axes
        Z, (datum, number).
    scores
        Centred scores of these numbers, (row, number).
    prior
        Their means given each draw of the prior, centred, (prior draw, number).
    noise
        Their covariance given the latents, (number, number).
    missed
        Trace of Fisher information times Σ_e that is not in them: what is missed of the bits of
        belief is at most this over 2 ln 2.
    """

    axes: np.ndarray
    scores: np.ndarray
    prior: np.ndarray
    noise: np.ndarray
    missed: float = 0.0

    @property
    def spread(self) -> np.ndarray:
        """Covariance of the numbers before any is known, (number, number)."""
        found: np.ndarray = self.prior.T @ self.prior / (len(self.prior) - 1) + self.noise
        return found

    def along(self, slopes: np.ndarray) -> np.ndarray:
        """Slopes (..., datum) as slopes by these numbers (..., number), as far as they go."""
        if len(self.axes) == self.axes.shape[1]:
            return slopes
        inverse = np.linalg.pinv(self.axes.T @ self.axes)
        found: np.ndarray = slopes @ self.axes @ inverse
        return found


def compressed_evidence(
    scores: np.ndarray,
    prior: np.ndarray,
    noise: np.ndarray,
    *,
    direct: np.ndarray | None = None,
    most: int = MOST,
    seed: int = 0,
) -> CompressedEvidence:
    """Find the few numbers that stand for all data.

    Parameters
    ----------
    scores
        Shape (row, datum).
    prior
        Means of the data given each draw of the prior, (prior draw, datum).
    noise
        Standard deviation of each datum given the latents, (datum,).
    direct
        Slopes (output, datum) that are not in the scores and are not to be lost.
    most
        So many data or fewer are left as they are; and there are at most so many numbers.
    seed
        Of the random directions.

    Returns
    -------
    CompressedEvidence

    References
    ----------
    N. Halko, P. G. Martinsson, J. A. Tropp, "Finding structure with randomness", SIAM Review 53
    (2011).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> latent, craze = rng.normal(size=(2, 500, 1))
    >>> scores = np.repeat(latent / 4, 1000, axis=1)
    >>> few = compressed_evidence(scores, np.repeat(craze, 1000, axis=1), np.full(1000, 2.0))
    >>> few.scores.shape, few.missed < 1e-9
    ((500, 1), True)
    """
    rows, data = scores.shape
    if data <= most:
        centred = np.asarray(scores, dtype=np.float64)
        return CompressedEvidence(
            np.eye(data),
            centred - centred.mean(axis=0),
            np.asarray(prior, dtype=np.float64) - prior.mean(axis=0),
            np.diag(np.square(noise, dtype=np.float64)),
        )
    extra = np.zeros((0, data)) if direct is None else np.sqrt(rows) * direct
    evidence = _Evidence(scores, prior, noise, extra)
    rng = np.random.default_rng(seed)
    basis = evidence.seen(evidence.imagined(rng, most + SPARE))
    for _ in range(PASSES - 1):
        basis, _ = np.linalg.qr(basis)
        basis = evidence.seen(evidence.spread(evidence.onto(basis))[0])
    basis, _ = np.linalg.qr(basis)
    axes = evidence.onto(basis)
    spread, told = evidence.spread(axes)
    size, turn = np.linalg.eigh(axes.T @ spread)
    # The spare directions made the others better, and are not good themselves.
    kept = np.arange(len(size)) >= len(size) - most
    turn = turn[:, kept & (size > NOTHING * max(size[-1], 0.0)) & (size > 0)][:, ::-1]
    basis, axes = basis @ turn, axes @ turn
    left = evidence.seen(evidence.imagined(rng, PROBES))
    left = (left - basis @ (basis.T @ left))[:rows]
    within = axes.T @ (np.square(noise)[:, None] * axes)
    missed = float(np.square(left).sum(axis=0).mean() / rows)
    return CompressedEvidence(axes, basis[:rows], told @ turn, within, missed)


class _Evidence:
    """Products with scores and with the spread of the evidence, by chunks of the data."""

    def __init__(
        self, scores: np.ndarray, prior: np.ndarray, noise: np.ndarray, extra: np.ndarray
    ) -> None:
        self._scores, self._prior, self._noise, self._extra = scores, prior, noise, extra
        step = max(1, AT_ONCE // max(len(scores), len(prior)))
        starts = range(0, scores.shape[1], step)
        self._chunks = [slice(start, start + step) for start in starts]

    def imagined(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Evidence that might have been, (datum, count)."""
        found = np.empty((self._scores.shape[1], count))
        weights = rng.normal(size=(len(self._prior), count)) / np.sqrt(len(self._prior) - 1)
        for part in self._chunks:
            luck = rng.normal(size=found[part].shape)
            found[part] = _centred(self._prior[:, part]).T @ weights
            found[part] += self._noise[part, None] * luck
        return found

    def seen(self, columns: np.ndarray) -> np.ndarray:
        """Scores times columns (datum, count): (row and extra row, count)."""
        total = np.zeros((len(self._scores), columns.shape[1]))
        for part in self._chunks:
            total += _centred(self._scores[:, part]) @ columns[part]
        return np.concatenate([total, self._extra @ columns])

    def onto(self, basis: np.ndarray) -> np.ndarray:
        """Transposed scores times a basis: (datum, count)."""
        rows = len(self._scores)
        found = self._extra.T @ basis[rows:]
        for part in self._chunks:
            found[part] += _centred(self._scores[:, part]).T @ basis[:rows]
        return found

    def spread(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Covariance of the evidence times columns, and prior draws times columns."""
        told = np.zeros((len(self._prior), columns.shape[1]))
        for part in self._chunks:
            told += _centred(self._prior[:, part]) @ columns[part]
        found = np.empty_like(columns)
        weights = told / (len(self._prior) - 1)
        for part in self._chunks:
            found[part] = _centred(self._prior[:, part]).T @ weights
            found[part] += np.square(self._noise[part, None]) * columns[part]
        return found, told


def _centred(values: np.ndarray) -> np.ndarray:
    """Take the means over draws away, in double precision."""
    wide = values.astype(np.float64)
    wide -= wide.mean(axis=0)
    return wide
