"""What do the ranks of all repetitions say? Tests, verdicts, and a line that sums up."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import WorldError
from inference.arrays.ranks import ecdf_band, ecdf_difference, holm, uniformity

__all__ = ["LEVEL", "PLACE", "QUANTITY", "REPETITION", "judge_ranks", "sum_up"]

REPETITION, QUANTITY, PLACE = "repetition", "quantity", "place"
LEVEL = 0.05
"""Of all studies of a right posterior at most this share finds any quantity off."""

_PLACES = 401
_TOLD = 3


def judge_ranks(
    rank: np.ndarray, ranked: np.ndarray, tied: np.ndarray, labels: Sequence[str]
) -> xr.Dataset:
    """Test the ranks of each quantity, and say which are off.

    Parameters
    ----------
    rank
        (repetition, quantity) normalised ranks; NaN in a whole row where there are none.
    ranked
        Draws that each is among.
    tied
        Whether all draws equal the truth. What always does is no quantity: it is dropped, and
        named in the attribute `constant`.
    labels
        Of the quantities.

    Returns
    -------
    xr.Dataset
        As ``calibrate`` describes it, without `status` and `message`.

    Raises
    ------
    WorldError
        If there is nothing to rank.

    Examples
    --------
    >>> rank = np.random.default_rng(0).random((200, 1))
    >>> found = judge_ranks(rank, np.full((200, 1), 99), np.zeros((200, 1), bool), ["demand"])
    >>> found["verdict"].values.tolist()
    ['passes']
    """
    moving = ~tied[np.isfinite(rank).all(1)].all(0)
    if not moving.any():
        raise WorldError(
            f"there is nothing to rank: in every repetition all draws of {list(labels)} equal the "
            "truth."
        )
    good = rank[np.isfinite(rank).all(1)][:, moving]
    tests = uniformity(good)
    p_holm = holm(tests.p)
    places = np.linspace(0.0, 1.0, _PLACES)
    lower, upper = ecdf_band(len(good), places)
    each, one = (REPETITION, QUANTITY), QUANTITY
    return xr.Dataset(
        {
            "rank": (each, rank[:, moving]),
            "ranked": (each, ranked[:, moving]),
            "bias": (one, tests.bias),
            "bias_mcse": (one, tests.spread / np.sqrt(len(good))),
            "spread": (one, tests.spread),
            "spread_mcse": (one, tests.spread / np.sqrt(2 * (len(good) - 1))),
            "p": (one, tests.p),
            "p_holm": (one, p_holm),
            "verdict": (one, np.where(p_holm <= LEVEL, "off", "passes").astype(object)),
            "ecdf_difference": ((one, PLACE), ecdf_difference(good, places)),
            "band_lower": (PLACE, lower),
            "band_upper": (PLACE, upper),
        },
        coords={QUANTITY: np.array(labels, dtype=object)[moving], PLACE: places},
        attrs={"constant": [name for name, m in zip(labels, moving, strict=True) if not m]},
    )


def sum_up(result: xr.Dataset, attrs: Mapping[str, Any]) -> str:
    """Say in one line what was run and what is off.

    Parameters
    ----------
    result
        From :func:`judge_ranks`.
    attrs
        With `world`, `truth`, `method`, `failed`, `warned`.
    """
    data = f" on data of {attrs['truth']}" if attrs["truth"] else ""
    ranked = result.sizes[REPETITION] - attrs["failed"]
    every = result.sizes[QUANTITY]
    off = result.isel({QUANTITY: np.flatnonzero(result["verdict"] == "off")}).sortby("p")
    count = off.sizes[QUANTITY]
    if count:
        worst = [_told(off.isel({QUANTITY: k})) for k in range(min(_TOLD, count))]
        said = f"{count} of {every} quantities off: {', '.join(worst)}{', ...' * (count > _TOLD)}"
    else:
        least = float(result["p_holm"].min())
        said = f"none of {every} quantities is off (smallest adjusted p {least:.2g})"
    doubts = [f"; {attrs[word]} {word}" for word in ("failed", "warned") if attrs[word]]
    return (
        f"{attrs['world']} by {attrs['method']}{data}, {ranked} repetitions: {said}"
        f"{''.join(doubts)}."
    )


def _told(one: xr.Dataset) -> str:
    return (
        f"{one[QUANTITY].item()} (bias {float(one['bias']):+.2f} ± {float(one['bias_mcse']):.2f}, "
        f"spread {float(one['spread']):.2f} ± {float(one['spread_mcse']):.2f}, "
        f"adjusted p {float(one['p_holm']):.2g})"
    )
