r"""Why not compare worlds exactly?

.. math:: \mathrm{plugin}_k(S) = \tfrac12 \sum_W |\hat P(e,S,1)(W) - \hat P(e,S,0)(W)|

over fine-grained worlds W: the cells of *all* measurements at once, each cut into 2^k that are
about equally likely in the erased world. Because it fails, in two ways, however harmless S is.

* As k grows no world is visited twice, so the frequencies of any two samples share nothing:
  ``plugin`` goes to 1, and so does its ``floor``, what the same world would show against itself.
  Where the two meet, the comparison says nothing about S.
* A measurement that sees the disciple itself (a descendant of the wire: its action, "there is a
  disciple") tells the worlds apart in every draw. Its total variation *is* 1, whatever S does, and
  so is that of all measurements together as soon as the cells resolve it. A warning names it:
  leave it out of ``measurements=``.

* ``plugin``: the formula with frequencies for probabilities;
* ``floor``: what the same world would show, by flipping the signs of blocks of draws: it heeds
  slow chains, futures of one past and shared noise, and takes the cells as likely as they are.
  (Half of the erased world against the other half has half the draws, and so another floor.)
* ``skellam_floor``: the same in closed form for independent draws, were all 2^(kK) tuples of
  cells of the K measurements equally likely: e^{-2L}[I0(2L) + I1(2L)] with L = n/2^(kK). Tuples
  that are not equally likely have less;
* ``cells``: how many fine-grained worlds were visited at all, of both samples together.
"""

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from counterfactual_models.errors import CounterfactualError, ImpactWarning
from inference.arrays.blocks import effective_draws
from inference.arrays.fine_cells import MOST_DEPTH, dyadic_cells, exact_floor, tells_apart
from inference.arrays.joint_cells import joint_keys, joint_variation
from inference.arrays.sign_flips import random_signs
from inference.diagnostics.rows import Rows
from inference.schema import DISCIPLE

__all__ = ["fine_graining"]

DEPTH = "depth"
LONG_NAMES = {
    "plugin": "total variation of the frequencies of fine-grained worlds",
    "floor": "total variation that the same world would show against itself",
    "skellam_floor": "the same for independent draws and equally likely fine-grained worlds",
    "cells": "fine-grained worlds visited",
}
FLIPS = 200
NAMED = 5


def fine_graining(
    worlds: xr.DataTree | xr.Dataset,
    *,
    depths: Iterable[int] = range(13),
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    seed: int = 0,
) -> xr.Dataset:
    r"""Why not compare worlds exactly?

    Through cells fine enough any two samples look like different worlds, and what sees the
    disciple itself tells the worlds apart whatever the disciple does.

    Parameters
    ----------
    worlds
        What ``sample_worlds`` returned, or a reloaded one.
    depths
        Each measurement is cut into 2^depth cells; whole numbers from 0 to 40.
    disciples, measurements
        Names to keep; by default all disciples, and all that the world measures.
    seed
        Of the random signs behind ``floor``.

    Returns
    -------
    xr.Dataset
        Dims disciple (without ``erased``) and depth: ``plugin`` and ``floor`` in [0, 1],
        ``skellam_floor`` in (0, 1], ``cells`` from 1 to twice the draws: as the head of this file
        explains. Attributes: seed, blocks, draws (a side), measurements (how many were used).

    Raises
    ------
    MeasurementError
        If a value is not finite; names the measurement, the disciple and the draw.
    WorldError
        For fewer than 40 posterior draws.
    CounterfactualError
        If a depth is no whole number from 0 to 40.

    Warns
    -----
    ImpactWarning
        If a measurement tells the worlds apart in every draw; names it.

    References
    ----------
    S. Armstrong, "The mathematics of reduced impact: help needed" (2012), *Coarse graining*.
    J. G. Skellam (1946), *Journal of the Royal Statistical Society* 109(3).

    Examples
    --------
    >>> same = np.random.default_rng(0).normal(size=(2, 4, 1000))
    >>> price = ["disciple", "chain", "draw"], same, {"role": "measurement"}
    >>> drawn = xr.Dataset({"price": price}, coords={"disciple": ["erased", "harmless"]})
    >>> fine = fine_graining(drawn, depths=[2, 12, 22]).sel(disciple="harmless")
    >>> fine["plugin"].values.round(1), fine["floor"].values.round(1)
    (array([0. , 0.5, 1. ]), array([0. , 0.5, 1. ]))
    """
    wanted = _refused(depths)
    rows = Rows(worlds, disciples=disciples, measurements=measurements)
    keys, apart = _read(rows, wanted)
    found = _compared(keys, rows, seed)
    tuples = 2.0 ** np.minimum(np.array(wanted, dtype=float) * rows.measurements, 1000)
    closed = exact_floor(len(rows), tuples)
    found["skellam_floor"] = np.broadcast_to(closed, found["plugin"].shape)
    _warn_of_what_sees_the_disciple(apart)
    result = xr.Dataset(coords={DISCIPLE: np.array(rows.disciples, dtype=object), DEPTH: wanted})
    for name, long_name in LONG_NAMES.items():
        result[name] = (DISCIPLE, DEPTH), found[name], {"long_name": long_name}
    return result.assign_attrs(
        seed=seed,
        blocks=len(rows.bounds) - 1,
        draws=len(rows),
        measurements=rows.measurements,
    )


def _compared(keys: np.ndarray, rows: Rows, seed: int) -> dict[str, np.ndarray]:
    """Compare each disciple's world with the erased one at every depth: (disciple, depth)."""
    signs = random_signs(FLIPS, len(rows.bounds) - 1, seed=seed)
    shape = len(rows.disciples), len(keys)
    found = {"plugin": np.empty(shape), "floor": np.empty(shape), "cells": np.empty(shape, int)}
    for at, (erased, *others) in enumerate(keys):
        for one, let_in in enumerate(others):
            judged = joint_variation(let_in, erased, bounds=rows.bounds, signs=signs)
            for name, column in found.items():
                column[one, at] = judged[name]
    return found


def _read(rows: Rows, depths: list[int]) -> tuple[np.ndarray, dict[str, list[str]]]:
    """Keys of the fine-grained worlds, (depth, world, row), and which measurements tell them."""
    deepest = max(depths)
    keys = np.zeros((len(depths), 1 + len(rows.disciples), len(rows)), dtype=np.uint64)
    apart: dict[str, list[str]] = {}
    first = 0
    for labels, values in rows.labelled_parts():
        for world in range(values.shape[1]):
            finest = dyadic_cells(values[:, world], values[:, 0], depth=deepest)
            for into, depth in zip(keys, depths, strict=True):
                into[world] += joint_keys(finest >> np.uint64(deepest - depth), first=first)
            for one in _telling(values[:, [0, world]], rows) if world else ():
                apart.setdefault(labels[one], []).append(rows.disciples[world - 1])
        first += len(labels)
    return keys, apart


def _telling(pair: np.ndarray, rows: Rows) -> np.ndarray:
    """Numbers of the measurements that tell this disciple's world from the erased one."""
    suspect = np.flatnonzero(tells_apart(pair[:, 0], pair[:, 1]))
    if not len(suspect):
        return suspect
    pair = pair[suspect]
    series = pair.reshape(len(pair), 2, rows.chains, rows.draws, rows.futures)
    worth = effective_draws(series).min(axis=1)
    return suspect[tells_apart(pair[:, 0], pair[:, 1], effective=worth)]


def _warn_of_what_sees_the_disciple(apart: dict[str, list[str]]) -> None:
    if not apart:
        return
    named = ", ".join(
        f"{name!r} ({', '.join(map(repr, who))})" for name, who in list(apart.items())[:NAMED]
    )
    more = f" and {len(apart) - NAMED} more" if len(apart) > NAMED else ""
    warnings.warn(
        f"{named}{more}: in every draw this tells whether the disciple was let in, so the total "
        "variation of the worlds is 1. Exclude it from measurements= if it sees the disciple "
        "itself (its action, its presence); if it does not, the impact on it is total.",
        ImpactWarning,
        stacklevel=3,
    )


def _refused(depths: Iterable[int]) -> list[int]:
    """Ascending depths, or why they are none."""
    wanted = list(depths)
    if not wanted or any(depth != int(depth) or not 0 <= depth <= MOST_DEPTH for depth in wanted):
        raise CounterfactualError(
            f"got depths={wanted}; expected whole numbers from 0 to {MOST_DEPTH}, such as "
            "range(13): each measurement is cut into 2^depth cells."
        )
    return sorted({int(depth) for depth in wanted})
