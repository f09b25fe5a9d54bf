r"""What is true where everything is linear and Gaussian: of the evidence, of S and of X?

.. math:: z \sim N(0, P), \quad e \mid z \sim N(Az, R), \quad
          w \mid z, X \sim N(B_X z + c_X, \Omega_X)

With :math:`K = P A^\top \Sigma_e^{-1}`, :math:`\Sigma_e = A P A^\top + R` and
:math:`\Sigma = P - K A P`, the measurements have mean :math:`B_X K e + c_X`, covariance
:math:`V_X = B_X \Sigma B_X^\top + \Omega_X` and gradient :math:`J_X = B_X K` by the data. All
else is made of these. Latents have mean zero, so zero is what is usual.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.stats import norm

__all__ = ["Exact", "Future", "Past", "RelativeImportance", "linear_truth", "normal_tv"]


@dataclass(frozen=True)
class Past:
    """The latents and the data about them.

    Parameters
    ----------
    prior
        P, (k, k).
    see
        A, (d, k).
    noise
        The diagonal of R, (d,).
    data
        Labels of the d data.
    """

    prior: np.ndarray
    see: np.ndarray
    noise: np.ndarray
    data: tuple[str, ...]


@dataclass(frozen=True)
class Future:
    """What is measured, given the latents, at one X.

    Parameters
    ----------
    reach
        B, (m, k).
    noise
        The diagonal of Omega, (m,).
    offset
        c, (m,).
    """

    reach: np.ndarray
    noise: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True)
class RelativeImportance:
    r"""How differently data matter with the disciple let in: none of it is about how much.

    Of :math:`\tilde J_X = V_0^{-1/2} J_X \Sigma_e^{1/2}`, :math:`M_X = \tilde J_X^\top \tilde J_X`
    and :math:`\rho_X = M_X / \mathrm{tr} M_X`.

    Parameters
    ----------
    profile_distance
        Total variation between the diagonals of the two rho, in [0, 1].
    trace_distance
        Half the trace norm of the difference of the two rho, in [0, 1].
    signed_distance
        Half the Frobenius distance of the two gradients, each of norm one, in [0, 1].
    gradient_distance
        Frobenius distance of the two gradients, in standard deviations.
    log_scale
        log2 of tr M_1 over tr M_0.
    """

    profile_distance: float
    trace_distance: float
    signed_distance: float
    gradient_distance: float
    log_scale: float


@dataclass(frozen=True)
class Exact:
    """The truth about one disciple. A mapping is of X, 0 or 1.

    Parameters
    ----------
    data, measurements
        Labels of the d data and of the m measurements, as diagnostics have them.
    posterior_mean, posterior_covariance
        Of z given e: (k,) and (k, k).
    mean, covariance
        Of the measurements: (m,) and (m, m).
    gradient
        Of the measurements' means by the data: (m, d).
    fisher
        J_X' V_0^-1 J_X, (d, d): the erased world's covariance serves both X.
    score_fisher
        Covariance of the scores d/de log p(z | e), (d, d).
    evidence_covariance, loo_variance
        Of the data before any is known, (d, d), and of each given the others, (d,).
    datum_bits
        I(W; e_j | the other data) in bits, (d,), in the world of that X.
    future_bits
        I(W; e) in bits, of all data together, in the world of that X.
    belief_bits
        I(z; e) in bits.
    relevance
        Generalised eigenvalues of `fisher` at X=0 and `score_fisher`, in [0, 1], largest first,
        one for each direction of e that the latents resolve.
    jensen_shannon
        Between P(e,S,1) and P(e,S,0), of each measurement, in bits, (m,).
    relative
        How differently data matter.
    """

    data: tuple[str, ...]
    measurements: tuple[str, ...]
    posterior_mean: np.ndarray
    posterior_covariance: np.ndarray
    mean: Mapping[int, np.ndarray]
    covariance: Mapping[int, np.ndarray]
    gradient: Mapping[int, np.ndarray]
    fisher: Mapping[int, np.ndarray]
    score_fisher: np.ndarray
    evidence_covariance: np.ndarray
    loo_variance: np.ndarray
    datum_bits: Mapping[int, np.ndarray]
    future_bits: Mapping[int, float]
    belief_bits: float
    relevance: np.ndarray
    jensen_shannon: np.ndarray
    relative: RelativeImportance

    @property
    def switch_bits(self) -> float:
        """I(W; X | e) in bits for a fair X, of all measurements together.

        A disciple may move one only, and that one is independent of the others given e: true of
        the worlds of the zoo.
        """
        return float(self.jensen_shannon.max())

    @property
    def evidence_efficiency(self) -> float:
        """Bits of future for each bit of belief, in [0, 1], with the disciple erased."""
        return self.future_bits[0] / self.belief_bits

    @property
    def penalty(self) -> float:
        """How much more a bit of X says of the future than a bit of evidence, in [0, 1]."""
        return max(0.0, self.switch_bits - self.evidence_efficiency)

    def tv(self, edges: np.ndarray | None = None) -> np.ndarray:
        """Total variation between P(e,S,1) and P(e,S,0), of each measurement.

        Parameters
        ----------
        edges
            (m, cells - 1) inner edges of cells: the coarse-grained truth. Without them the
            fine-grained one.

        Returns
        -------
        ndarray
            (m,), between 0 and 1.
        """
        return normal_tv(self.mean, self.covariance, edges)


def linear_truth(
    past: Past,
    futures: Mapping[int, Future],
    evidence: np.ndarray,
    measurements: tuple[str, ...],
) -> Exact:
    """Work out the truth about one disciple.

    Parameters
    ----------
    past
        The latents and the data about them.
    futures
        X -> what is measured, given the latents.
    evidence
        (d,) the data.
    measurements
        Labels of the m measurements.

    Returns
    -------
    Exact

    Examples
    --------
    >>> one = np.eye(1)
    >>> past = Past(one, one, np.array([0.25]), ("e",))
    >>> still = Future(0.8 * one, np.array([0.5]), np.zeros(1))
    >>> moved = Future(0.8 * one, np.array([0.5]), np.ones(1))
    >>> truth = linear_truth(past, {0: still, 1: moved}, np.ones(1), ("w",))
    >>> truth.gradient[1].round(6).tolist()
    [[0.64]]
    """
    prior, see, noise = past.prior, past.see, past.noise
    evidence_covariance = see @ prior @ see.T + np.diag(noise)
    precision = linalg.inv(evidence_covariance)
    gain = prior @ see.T @ precision
    covariance = prior - gain @ see @ prior
    latent = gain @ evidence
    scored = see / noise[:, None]
    score_fisher = scored @ covariance @ scored.T
    loo_variance = 1 / np.diag(precision)

    mean, spread, gradient, fisher, own = {}, {}, {}, {}, {}
    for x, future in sorted(futures.items()):  # 0 first: its spread serves both
        mean[x] = future.reach @ latent + future.offset
        spread[x] = future.reach @ covariance @ future.reach.T + np.diag(future.noise)
        gradient[x] = future.reach @ gain
        fisher[x] = gradient[x].T @ linalg.solve(spread[0], gradient[x])
        own[x] = (gradient[x] * linalg.solve(spread[x], gradient[x])).sum(0)
    return Exact(
        past.data,
        measurements,
        latent,
        covariance,
        mean,
        spread,
        gradient,
        fisher,
        score_fisher,
        evidence_covariance,
        loo_variance,
        {x: 0.5 * np.log2(1 + own[x] * loo_variance) for x in futures},
        {x: _future_bits(future, prior, spread[x]) for x, future in futures.items()},
        0.5 * (_log2_det(prior) - _log2_det(covariance)),
        _relevance(fisher[0], score_fisher, len(prior)),
        _jensen_shannon(mean, spread),
        _relative(gradient, spread[0], evidence_covariance),
    )


def normal_tv(
    mean: Mapping[int, np.ndarray],
    covariance: Mapping[int, np.ndarray],
    edges: np.ndarray | None = None,
) -> np.ndarray:
    """Total variation between two normal laws, of each variable by itself.

    Parameters
    ----------
    mean, covariance
        X -> (m,) and X -> (m, m), for X = 0 and 1.
    edges
        (m, cells - 1) inner edges of cells that the variables are cut into first, if any.

    Returns
    -------
    ndarray
        (m,), between 0 and 1.

    Examples
    --------
    >>> mean = {0: np.zeros(1), 1: np.ones(1)}
    >>> normal_tv(mean, {0: np.eye(1), 1: np.eye(1)}).round(6).tolist()  # 2 Phi(1/2) - 1
    [0.382925]
    """
    sd = {x: np.sqrt(np.diag(covariance[x])) for x in (0, 1)}
    cuts = _crossings(mean, sd) if edges is None else edges
    mass = {}
    for x in (0, 1):
        cdf = norm.cdf(cuts, mean[x][:, None], sd[x][:, None])
        mass[x] = np.diff(cdf, prepend=0.0, append=1.0, axis=1)
    found: np.ndarray = 0.5 * np.abs(mass[1] - mass[0]).sum(1)
    return found


def _log2_det(matrix: np.ndarray) -> float:
    return float(np.linalg.slogdet(matrix)[1] / np.log(2))


def _future_bits(future: Future, prior: np.ndarray, spread: np.ndarray) -> float:
    """Compare how far the measurements spread before and after the evidence."""
    before = future.reach @ prior @ future.reach.T + np.diag(future.noise)
    return 0.5 * (_log2_det(before) - _log2_det(spread))


def _relevance(fisher: np.ndarray, score_fisher: np.ndarray, latents: int) -> np.ndarray:
    """Find the eigenvalues in the directions that the latents resolve; k at most."""
    size, axes = np.linalg.eigh(score_fisher)
    size, axes = size[-latents:], axes[:, -latents:]
    kept = size > 1e-12 * size.max()
    whiten = axes[:, kept] / np.sqrt(size[kept])
    return np.linalg.eigvalsh(whiten.T @ fisher @ whiten)[::-1].clip(0.0, 1.0)


def _jensen_shannon(
    mean: Mapping[int, np.ndarray], spread: Mapping[int, np.ndarray]
) -> np.ndarray:
    """Add up by the trapezoidal rule, which is exact to rounding for such smooth integrands."""
    found = []
    for i in range(len(mean[0])):
        centre = [mean[x][i] for x in (0, 1)]
        sd = [np.sqrt(spread[x][i, i]) for x in (0, 1)]
        low = min(c - 12 * s for c, s in zip(centre, sd, strict=True))
        high = max(c + 12 * s for c, s in zip(centre, sd, strict=True))
        grid = np.linspace(low, high, 20_001)
        log = [norm.logpdf(grid, c, s) for c, s in zip(centre, sd, strict=True)]
        middle = np.logaddexp(*log) - np.log(2)
        gap = 0.5 * sum(np.exp(part) * (part - middle) for part in log)
        found.append(np.trapezoid(gap, grid) / np.log(2))
    return np.clip(found, 0.0, 1.0)


def _relative(
    gradient: Mapping[int, np.ndarray], spread: np.ndarray, evidence_covariance: np.ndarray
) -> RelativeImportance:
    """Compare the gradients in units of the erased world's sd and of the data's own."""
    size, axes = np.linalg.eigh(evidence_covariance)
    root = (axes * np.sqrt(size)) @ axes.T
    factor = linalg.cholesky(spread, lower=True)
    scaled = {x: linalg.solve_triangular(factor, gradient[x], lower=True) @ root for x in (0, 1)}
    norms = {x: float(np.linalg.norm(scaled[x])) for x in (0, 1)}
    unit = {x: scaled[x] / norms[x] for x in (0, 1)}
    profile = {x: (unit[x] ** 2).sum(0) for x in (0, 1)}
    # rho_1 - rho_0 = U' S U with U' = Q R has the eigenvalues of the small R S R', and zeros.
    _, triangle = linalg.qr(np.concatenate([unit[1], unit[0]]).T, mode="economic")
    signs = np.repeat([1.0, -1.0], len(unit[0]))
    eigenvalues = np.linalg.eigvalsh(triangle * signs @ triangle.T)
    return RelativeImportance(
        profile_distance=float(0.5 * np.abs(profile[1] - profile[0]).sum()),
        trace_distance=float(0.5 * np.abs(eigenvalues).sum()),
        signed_distance=float(0.5 * np.linalg.norm(unit[1] - unit[0])),
        gradient_distance=float(np.linalg.norm(scaled[1] - scaled[0])),
        log_scale=float(2 * np.log2(norms[1] / norms[0])),
    )


def _crossings(mean: Mapping[int, np.ndarray], sd: Mapping[int, np.ndarray]) -> np.ndarray:
    """Two places where the densities of two normals cross; the mean twice where they are one."""
    a = 1 / sd[0] ** 2 - 1 / sd[1] ** 2
    b = 2 * (mean[1] / sd[1] ** 2 - mean[0] / sd[0] ** 2)
    c = (mean[0] / sd[0]) ** 2 - (mean[1] / sd[1]) ** 2 + 2 * np.log(sd[0] / sd[1])
    found = np.empty((len(a), 2))
    for i in range(len(a)):
        roots = np.roots([a[i], b[i], c[i]]) if abs(a[i]) > 1e-12 else np.roots([b[i], c[i]])
        real = np.sort(roots[np.isreal(roots)].real)
        found[i] = np.resize(real, 2) if len(real) else mean[0][i]
    return np.sort(found, axis=1)
