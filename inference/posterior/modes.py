r"""Where does the density of the past peak, and how sharply?

.. math:: \hat x = \arg\max \log p(x \mid e), \quad
          \hat\Sigma = (-\nabla^2 \log p(\hat x \mid e))^{-1}

Newton's method from several starts at once. Its curvature is the central difference of the
gradient, with steps that follow the width of the peak.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from inference.posterior.density import Density
from inference.posterior.starts import GROUPS, ascend, find_starts
from inference.posterior.surface import BLOCK, Surface

__all__ = ["Mode", "find_modes", "peak_starts"]

_FEW_DIMS = 64
_NEWTON = 50
_LENGTHS = 8  # lengths of a Newton step that are tried, each an eighth of the one before
_STEEPEST = 1e6  # entry of a curvature of unit diagonal; at a peak they are at most 1
_NUMBERS = 4_000_000  # of the curvatures of all starts together
_STALLED = 0.1  # nats that a start which rises no more may be short of its peak
_SAME = 0.5  # standard deviations: peaks nearer than that are one
_NEGLIGIBLE = 7.0  # nats below the heaviest: such a peak holds a thousandth of the past


@dataclass(frozen=True)
class Mode:
    """A peak of the density, in unconstrained coordinates.

    Parameters
    ----------
    point
        Where it is, shape (dim,).
    scale
        Lower Cholesky factor of the covariance that its curvature implies, shape (dim, dim).
    height
        The log density there.
    """

    point: torch.Tensor
    scale: torch.Tensor
    height: float

    @property
    def mass(self) -> float:
        """Log of what the Gaussian under the peak integrates to."""
        volume = float(self.scale.diagonal().double().log().sum())
        return self.height + volume + 0.5 * len(self.point) * math.log(2 * math.pi)


def peak_starts(surface: Surface, seed: int) -> torch.Tensor:
    """Find starts to look for peaks from: all in few dims, where eight missed modes."""
    starts = find_starts(surface.density, surface, BLOCK, seed)
    return starts[:: 1 if surface.density.dim <= _FEW_DIMS else BLOCK // GROUPS]


def find_modes(surface: Surface, starts: torch.Tensor) -> tuple[list[Mode], str]:
    """Find the peaks above starts, shape (n, dim), that hold a noticeable part of the past.

    Returns
    -------
    tuple of list and str
        Modes, the heaviest first; and if there is none, what is wrong, naming the latent.
    """
    points, *_ = ascend(surface, starts)
    few = max(1, _NUMBERS // surface.density.dim**2)
    if few < len(points):  # a curvature each would be too much: the highest only
        heights = surface.heights(points).nan_to_num(-math.inf)
        points = points[heights.argsort(descending=True)[:few]]
    climb = _Climb(surface, points)
    climb.run()
    modes: list[Mode] = []
    faults: list[str] = []
    for row in climb.value.argsort(descending=True).tolist():
        mode, fault = climb.summit(row)
        if mode is None:
            faults.append(fault)
        elif not any(_same(mode, other) for other in modes):
            modes.append(mode)
    modes.sort(key=lambda mode: -mode.mass)
    kept = [mode for mode in modes if mode.mass > modes[0].mass - _NEGLIGIBLE]
    return kept, "" if kept else faults[0]


class _Climb:
    """Starts on their way up, each by Newton steps of its own.

    Parameters
    ----------
    surface
        What they climb.
    points
        Where they are, shape (n, dim).
    """

    def __init__(self, surface: Surface, points: torch.Tensor) -> None:
        self.surface = surface
        self.point = points
        self.gradient, self.value = surface(points)
        exact = points.dtype == torch.float64
        # Of the width of the peak, a step of the central difference; in single precision the
        # rounding of the gradient asks for a wider one.
        self._part = 1e-3 if exact else 0.1
        self._flattest = 1e-9 if exact else 1e-4
        self._near = 1e-8 if exact else 1e-3
        self._crooked = 1e-2 if exact else 0.2
        self.width = (1e-4 if exact else 1e-2) * (1 + points.abs())
        self.short = torch.full_like(self.value, math.inf)

    def run(self) -> None:
        """Climb until every start has arrived, or rises no more."""
        going = torch.arange(len(self.point), device=self.point.device)
        for _ in range(_NEWTON):
            if not len(going):
                return
            arrived = self._step(going)
            going = going[~arrived]

    def summit(self, row: int) -> tuple[Mode | None, str]:
        """Describe the peak that a start has reached, or say why it is none."""
        density = self.surface.density
        hessian = self._curvature(torch.tensor([row]))[0]
        if not hessian.isfinite().all():
            return None, f"its curvature is not finite along {_latent(density, hessian.sum(1))!r}"
        size = self._sizes(hessian.diagonal(), self.gradient[row])
        scaled = _scaled(hessian, size)
        skew = (scaled - scaled.mT).abs()
        if skew.max() > self._crooked:
            where = _latent(density, skew.amax(1))
            return None, f"its curvature along {where!r} is not symmetric, as if it had a kink"
        eigenvalues, vectors = torch.linalg.eigh((scaled + scaled.mT) / 2)
        where = _latent(density, vectors[:, 0])
        if self.short[row] > _STALLED:
            return None, f"it still rises after {_NEWTON} Newton steps, mostly along {where!r}"
        if eigenvalues[0] < self._flattest:
            return None, f"it is flat, or curved upwards, along {where!r}"
        # (D^-1 A D^-1)^-1 = D A^-1 D with A the scaled curvature
        inverse = (vectors / eigenvalues) @ vectors.mT * size * size[:, None]
        scale, failed = torch.linalg.cholesky_ex((inverse + inverse.mT) / 2)
        if failed:
            return None, f"it is flat along {where!r}"
        return Mode(self.point[row], scale.to(size), float(self.value[row])), ""

    def _step(self, rows: torch.Tensor) -> torch.Tensor:
        """Take one Newton step from each of some rows; tell which have arrived."""
        gradient = self.gradient[rows]
        hessian = self._curvature(rows)
        size = self._sizes(hessian.diagonal(dim1=-2, dim2=-1), gradient)
        self.width[rows] = torch.minimum(self._part * size, 1 + 0.01 * self.point[rows].abs())
        scaled = _scaled(hessian, size)
        slope = (size * gradient).double()
        step = _newton((scaled + scaled.mT) / 2, slope, self._flattest)
        self.short[rows] = 0.5 * (slope * step).sum(1).to(size)
        step = size * step.to(size)
        lengths = 8.0 ** -torch.arange(_LENGTHS).to(step)
        ahead = self.point[rows] + lengths[:, None, None] * step
        slopes, heights = self.surface(ahead.reshape(-1, ahead.shape[-1]))
        slopes, heights = slopes.reshape(ahead.shape), heights.reshape(ahead.shape[:2])
        good = heights.isfinite() & slopes.isfinite().all(-1)
        heights = torch.where(good, heights, -math.inf)
        best = heights.argmax(0)
        every = torch.arange(len(rows), device=rows.device)
        rises = heights[best, every] > self.value[rows]
        moved = rows[rises]
        self.point[moved] = ahead[best, every][rises]
        self.gradient[moved] = slopes[best, every][rises]
        self.value[moved] = heights[best, every][rises]
        return ~rises | (self.short[rows] < self._near)

    def _curvature(self, rows: torch.Tensor) -> torch.Tensor:
        """Minus the derivative of the gradient by central differences, shape (n, dim, dim)."""
        points, offset = self.point[rows][:, None], torch.diag_embed(self.width[rows])
        above, below = points + offset, points - offset
        taken = (above - below).diagonal(dim1=-2, dim2=-1)  # as rounded
        dim = above.shape[-1]
        found, _ = self.surface(torch.cat([above, below]).reshape(-1, dim))
        upper, lower = found.reshape(2, -1, dim, dim)
        return (lower - upper) / taken[:, :, None]

    def _sizes(self, diagonal: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Tell the width of the density along each axis, from its curvature or its slope."""
        least = torch.finfo(gradient.dtype).tiny ** 0.5
        return diagonal.nan_to_num().abs().maximum(1e-3 * gradient.abs()).clamp(min=least).rsqrt()


def _newton(curvature: torch.Tensor, slope: torch.Tensor, flattest: float) -> torch.Tensor:
    """Solve curvature @ step = slope; where it is curved upwards, step away from the saddle."""
    factor, failed = torch.linalg.cholesky_ex(curvature)
    step = torch.cholesky_solve(slope[:, :, None], factor)[:, :, 0]
    for row in failed.nonzero()[:, 0].tolist():
        eigenvalues, vectors = torch.linalg.eigh(curvature[row])
        size = eigenvalues.abs().clamp(min=flattest)
        step[row] = vectors @ ((vectors.mT @ slope[row]) / size)
    return step


def _scaled(hessian: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Bring a curvature to unit width along each axis, in numbers that eigh can take."""
    scaled = (hessian * size[..., None, :] * size[..., :, None]).double()
    return scaled.nan_to_num(0.0).clamp(-_STEEPEST, _STEEPEST)


def _same(one: Mode, other: Mode) -> bool:
    apart = torch.linalg.solve_triangular(
        other.scale, (one.point - other.point)[:, None], upper=False
    )
    return float(apart.square().sum().sqrt()) < _SAME


def _latent(density: Density, direction: torch.Tensor) -> str:
    """Name the latent that a direction points along most, or the first where it is not finite."""
    size = direction.abs().nan_to_num(math.inf)
    place = int(size.argmax())
    names: Sequence[str] = [
        name
        for name, shape in zip(density.names, density.shapes, strict=True)
        for _ in range(torch.Size(shape).numel())
    ]
    return names[place]
