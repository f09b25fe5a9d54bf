r"""What would the same world show, asked as many questions at once?

Under the same signs as the rest, measurement k shows the distances t_rk. Two questions to all:

* is any impact too large? The standardised distance z_k is compared with the largest one of every
  flip, max over k of (t_rk - mean)/deviation (Westfall and Young's single step):
  measurements that say the same count once, which Bonferroni's bound cannot know;
* are all impacts together too large? The mean over k of the distances is compared with its own
  flips: a small effect on everything is seen here first.

False discovery rates need no flips of their own: :func:`false_discoveries`.
"""

import numpy as np

from inference.arrays.tails import FEWEST_EXCEEDANCES, exceedance

__all__ = ["Family", "false_discoveries"]


class Family:
    r"""All measurements of one disciple, told of them chunk by chunk.

    Only what grows by flips is kept: their maxima and their sums. Neither depends on the order or
    the size of the chunks (the sums up to rounding).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = np.abs(rng.normal(size=(50, 201)))
    >>> noise[7, 0] = 9.0
    >>> family = Family()
    >>> z = family.update(noise[:, 0], noise[:, 1:])
    >>> chance = family.p_family(z)
    >>> bool(chance[7] < 0.001), bool(np.delete(chance, 7).min() > 0.01)
    (True, True)
    """

    def __init__(self) -> None:
        self.measurements = 0
        self._maxima: np.ndarray | None = None
        self._sums: np.ndarray | None = None
        self._observed = 0.0

    def update(
        self, observed: np.ndarray, norms: np.ndarray, *, wider: np.ndarray | float = 1.0
    ) -> np.ndarray:
        """Take in measurements, and standardise their distances.

        Parameters
        ----------
        observed
            Distances, shape (measurement,).
        norms
            Distances under the same signs for all chunks, shape (measurement, flip).
        wider
            Flips are wider by this factor, shape (measurement,); infinity leaves one out.

        Returns
        -------
        np.ndarray
            (observed/wider - mean)/deviation, both over the flips and the observed distance: were
            the worlds the same, that would be one more flip, and must be judged as the flips are.
            Shape (measurement,), at most the square root of the flips; minus infinity where it is
            left out, 0 where flips do not vary.
        """
        flips = norms.shape[1]
        if self._maxima is None or self._sums is None:
            self._maxima, self._sums = np.full(flips, -np.inf), np.zeros(flips)
        width = np.broadcast_to(wider, observed.shape)
        told = np.isfinite(width)
        own = observed / width
        mean = (norms.sum(axis=1, dtype=np.float64) + own) / (flips + 1)
        spread = np.square(norms - mean[:, None]).sum(axis=1) + (own - mean) ** 2
        deviation = np.sqrt(spread / (flips + 1))
        varies = told & (deviation > 1e-6 * np.maximum(mean, 1))
        safe = np.where(varies, deviation, 1.0)
        standard = np.where(varies, (own - mean) / safe, 0.0)
        if varies.any():
            scores = (norms[varies] - mean[varies, None]) / safe[varies, None]
            np.maximum(self._maxima, scores.max(axis=0), out=self._maxima)
        if told.any():
            self._sums += width[told] @ norms[told].astype(np.float64)
            self._observed += observed[told].sum()
            self.measurements += int(np.count_nonzero(told))
        return np.where(told, standard, -np.inf)

    def p_family(self, standard: np.ndarray) -> np.ndarray:
        r"""How likely is it that the same world shows any distance as large as this one?

        The share of flips whose largest standardised distance reaches it; where fewer than ten
        do, the tail of a Gumbel law with the mean and the deviation of these largest ones. That
        is the limit of maxima of laws whose tails fall exponentially; those of distances fall
        faster, so that it is approached from below and errs towards caution.

        Parameters
        ----------
        standard
            What :meth:`update` returned, shape (measurement,).

        Returns
        -------
        np.ndarray
            In (0, 1], shape (measurement,).

        References
        ----------
        Westfall and Young (1993), *Resampling-based multiple testing*.
        """
        maxima = self._maxima
        if maxima is None or not np.isfinite(maxima).all():
            return np.ones(len(standard))
        ranked = np.sort(maxima)
        tie = 1e-9 * (1 + np.abs(standard))
        reached = len(ranked) - np.searchsorted(ranked, standard - tie)
        counted = (1 + reached) / (1 + len(ranked))
        scale = np.sqrt(6) / np.pi * np.maximum(ranked.std(ddof=1), 1e-9)
        centre = ranked.mean() - np.euler_gamma * scale
        away = np.maximum((standard - centre) / scale, -30.0)
        tail = -np.expm1(-np.exp(-away))
        chance = np.where(reached >= FEWEST_EXCEEDANCES, counted, np.minimum(tail, counted))
        return np.clip(chance, np.finfo(float).tiny, 1.0)

    def p_mean(self) -> float:
        """How likely is it that the same world shows so large a distance on average?

        The share of flips, or the Pearson III tail where fewer than ten reach it.
        """
        if self._sums is None or not self.measurements:
            return 1.0
        chance, _ = exceedance(self._sums[None], np.array([self._observed]))
        return float(chance[0])


def false_discoveries(p: np.ndarray) -> np.ndarray:
    """Smallest share of false discoveries at which each measurement is among those called.

    Benjamini and Hochberg's step-up: calling all with q <= .05 is wrong in 5 % of the calls on
    average, if measurements depend on each other positively or not at all.

    Parameters
    ----------
    p
        Shape (disciple, measurement); each disciple is corrected alone.

    Returns
    -------
    np.ndarray
        In (0, 1], at least p.

    References
    ----------
    Benjamini and Hochberg (1995), "Controlling the false discovery rate", *JRSS B* 57.

    Examples
    --------
    >>> false_discoveries(np.array([[0.01, 0.02, 0.9, 0.04]])).round(3)
    array([[0.04 , 0.04 , 0.9  , 0.053]])
    """
    from scipy import stats  # takes a second to import

    return stats.false_discovery_control(p, axis=-1, method="bh")
