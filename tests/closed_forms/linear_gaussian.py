r"""What is true of a linear-Gaussian world? Everything about its evidence, in matrices.

.. math:: z \sim N(0, P), \quad e \mid z \sim N(Az, R), \quad
          w \mid z, e \sim N(Bz + De + c, \Omega)
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

__all__ = ["Draws", "LinearGaussian", "random_world"]


@dataclass(frozen=True)
class Draws:
    """Independent draws of a world given its evidence, as the tree of worlds holds them.

    `z` (chain, draw, k) and `w` (chain, draw, future, o); `score` (chain, draw, d) is the one of
    the past, `full_score` (chain, draw, future, d) has the density of the future in it.
    """

    z: np.ndarray
    w: np.ndarray
    score: np.ndarray
    full_score: np.ndarray


@dataclass(frozen=True)
class LinearGaussian:
    """A world of k latents, d data and o outputs; numbers stand for 1 x 1 matrices.

    >>> LinearGaussian(1, 1, 0.25, 0.8, 0.3, 0.5).jacobian.round(6).tolist()
    [[0.94]]
    """

    prior: np.ndarray  # P (k, k)
    see: np.ndarray  # A (d, k)
    noise: np.ndarray  # R (d, d)
    reach: np.ndarray  # B (o, k)
    direct: np.ndarray  # D (o, d)
    tremble: np.ndarray  # Omega (o, o)
    offset: np.ndarray | float = 0.0  # c (o,)

    def __post_init__(self):
        for name in ("prior", "see", "noise", "reach", "direct", "tremble"):
            object.__setattr__(self, name, np.atleast_2d(np.asarray(getattr(self, name), float)))
        shape = (len(self.reach), len(self.see))
        direct = np.broadcast_to(self.direct, shape) if self.direct.size == 1 else self.direct
        object.__setattr__(self, "direct", direct)
        object.__setattr__(self, "offset", np.broadcast_to(self.offset, shape[:1]).astype(float))
        assert self.prior.shape == (self.see.shape[1],) * 2
        assert self.noise.shape == (self.see.shape[0],) * 2
        assert self.tremble.shape == (self.reach.shape[0],) * 2
        assert self.direct.shape == shape and self.reach.shape[1] == self.see.shape[1]

    # What the evidence says of the past.
    @cached_property
    def evidence_covariance(self):
        """Sigma_e = A P A' + R, before any datum is known."""
        return self.see @ self.prior @ self.see.T + self.noise

    @cached_property
    def gain(self):
        """(k, d): the posterior mean is `gain @ e`."""
        return linalg.solve(self.evidence_covariance, self.see @ self.prior).T

    @cached_property
    def posterior_covariance(self):
        """(k, k): of z given e, whatever e is."""
        return self.prior - self.gain @ self.see @ self.prior

    @cached_property
    def loo_variance(self):
        """(d,): Var(e_j | the other data)."""
        return 1 / np.diag(linalg.inv(self.evidence_covariance))

    def loo_mean(self, evidence):
        """(d,): E[e_j | the other data]."""
        precision = linalg.inv(self.evidence_covariance)
        return np.asarray(evidence) - precision @ np.asarray(evidence) / np.diag(precision)

    def posterior_mean(self, evidence):
        """(k,)."""
        return self.gain @ np.asarray(evidence, float)

    # What it says of the future.
    def mean(self, evidence):
        """(o,): of the outputs given e."""
        e = np.asarray(evidence, float)
        return self.reach @ self.posterior_mean(e) + self.direct @ e + self.offset

    @cached_property
    def covariance(self):
        """V (o, o): of the outputs given e."""
        return self.reach @ self.posterior_covariance @ self.reach.T + self.tremble

    @cached_property
    def jacobian(self):
        """J (o, d): d E[w | e] / de = B gain + D."""
        return self.reach @ self.gain + self.direct

    # How much it says.
    @cached_property
    def score_fisher(self):
        """F_z (d, d): covariance of the scores of the past."""
        seen = linalg.solve(self.noise, self.see)
        return seen @ self.posterior_covariance @ seen.T

    @cached_property
    def full_score_fisher(self):
        """(d, d): covariance of the scores with the density of the future in them."""
        return self.score_fisher + self.direct.T @ linalg.solve(self.tremble, self.direct)

    @cached_property
    def fisher(self):
        """F (d, d): J' V^-1 J with this world's own V."""
        return self.fisher_by(self.covariance)

    def fisher_by(self, covariance):
        """J' V^-1 J with the V of another world, such as the erased one's."""
        return self.jacobian.T @ linalg.solve(np.atleast_2d(covariance), self.jacobian)

    @cached_property
    def relevance(self):
        """Lambda (rank of F_z,), largest first: generalised eigenvalues of F and F_z.

        F_z is that of the full scores: they are the past's where nothing reads e directly.
        """
        size, axes = np.linalg.eigh(self.full_score_fisher)
        keep = size > size.max() * 1e-10
        whiten = axes[:, keep] / np.sqrt(size[keep])
        return np.linalg.eigvalsh(whiten.T @ self.fisher @ whiten)[::-1]

    @cached_property
    def datum_bits(self):
        """(d,): I(w; e_j | the other data) in bits, each datum alone."""
        return 0.5 * np.log2(1 + np.diag(self.fisher) * self.loo_variance)

    @cached_property
    def bits(self):
        """I(w; e) in bits, of all evidence together."""
        return 0.5 * _log2_det(np.eye(len(self.see)) + self.fisher @ self.evidence_covariance)

    @cached_property
    def belief_bits(self):
        """I(z; e) in bits."""
        return 0.5 * (_log2_det(self.evidence_covariance) - _log2_det(self.noise))

    def draw(self, evidence, *, chains=4, draws=1000, futures=1, seed=0):
        """Independent :class:`Draws` of the posterior and its future."""
        rng = np.random.default_rng(seed)
        e, k, o = np.asarray(evidence, float), len(self.prior), len(self.reach)
        spread = _root(self.posterior_covariance)
        z = self.posterior_mean(e) + rng.standard_normal((chains, draws, k)) @ spread.T
        luck = rng.standard_normal((chains, draws, futures, o)) @ _root(self.tremble).T
        w = (z @ self.reach.T + self.direct @ e + self.offset)[:, :, None, :] + luck
        score = -linalg.solve(self.noise, (e - z @ self.see.T).reshape(-1, len(e)).T).T
        score = score.reshape(chains, draws, len(e))
        future = luck @ linalg.solve(self.tremble, self.direct)
        return Draws(z, w, score, score[:, :, None, :] + future)


def random_world(rng, *, outputs=3, direct=0.0):
    """A world of 1 to 3 latents and 1 to 5 data, which its future reads unless `direct` is 0."""
    k, d = rng.integers(1, 4), rng.integers(1, 6)

    def covariance(n):
        root = rng.standard_normal((n, n + 2))
        return root @ root.T / n + 0.1 * np.eye(n)

    return LinearGaussian(
        covariance(k),
        rng.standard_normal((d, k)),
        covariance(d),
        rng.standard_normal((outputs, k)),
        direct * rng.standard_normal((outputs, d)),
        covariance(outputs),
    )


def _log2_det(matrix):
    sign, value = np.linalg.slogdet(matrix)
    assert sign > 0
    return value / np.log(2)


def _root(covariance):
    size, axes = np.linalg.eigh(covariance)
    return axes * np.sqrt(np.clip(size, 0, None))
