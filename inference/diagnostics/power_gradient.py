r"""Which evidence does the size of the target hang on? Bits per unit of each datum.

.. math:: \frac{\partial}{\partial e_j} \left(-\log_2 P(e,S,0)(U \ge u)\right)
          = -\frac{E_0[s_j \mid U \ge u] - E_0[s_j]}{\ln 2}, \qquad
          s_j = \frac{\partial}{\partial e_j} \log p(w, e)

Were the evidence a little other, how much harder or easier would it be for the erased world to be
as good as u? By the last worlds of splitting, which are those that are.
"""

import numpy as np
import xarray as xr

from counterfactual_models.errors import WorldError
from inference.arrays.order.chain_errors import error_of_estimate
from inference.schema import (
    CHAIN,
    DATUM,
    DISCIPLE,
    DRAW,
    ERASED,
    EVIDENCE_SCORES,
    FUTURE,
    RARE_RUN,
    RARE_SCORES,
    RARE_WORLDS,
    decode_attrs,
)
from inference.stacking import stacked

__all__ = ["power_gradient"]


def power_gradient(worlds: xr.DataTree) -> xr.Dataset:
    """Differentiate the optimization power of the target with respect to the evidence.

    Parameters
    ----------
    worlds
        What ``with_rare_worlds(..., method="splitting")`` returned for what ``with_scores`` had.

    Returns
    -------
    xr.Dataset
        By datum: ``gradient``, bits per unit of the datum, positive where more of it makes the
        target smaller; ``mcse``, by the spread of the runs and of the usual scores. Attributes:
        the target, its bits by splitting (NaN where they are not known), and how many runs there
        are.

    Raises
    ------
    WorldError
        If there are no scores of rare worlds, and how to get them.

    References
    ----------
    .. [1] R. A. Fisher (1925): the score of an observed event is the mean of the complete score.

    Examples
    --------
    >>> group = xr.Dataset({"e": (["chain", "draw"], np.zeros((1, 4)))})
    >>> rare = xr.Dataset({"e": (["rare_run"], [-1.0, -2.0])}, attrs={"target": 3.0})
    >>> tree = xr.DataTree.from_dict({"evidence_scores": group, "rare_scores": rare})
    >>> round(power_gradient(tree)["gradient"].item(), 3)  # 1.5 / ln 2
    2.164
    """
    children = worlds.children if isinstance(worlds, xr.DataTree) else {}
    if RARE_SCORES not in children or EVIDENCE_SCORES not in children:
        raise WorldError(
            "these worlds hold no scores of rare worlds: worlds = with_scores(world, worlds, "
            "disciples), then with_rare_worlds(world, worlds, disciples, utility, "
            "method='splitting'). There are none where what the utility asks for is computed from "
            "the evidence, or where no run reached the target."
        )
    rare = worlds[RARE_SCORES].to_dataset()
    scores = worlds[EVIDENCE_SCORES].to_dataset()[[str(name) for name in rare.data_vars]]
    if DISCIPLE in scores.dims:
        scores = scores.sel({DISCIPLE: ERASED}, drop=True)
    drawn = [dim for dim in (CHAIN, DRAW, FUTURE) if dim in scores.dims]
    flat = stacked(rare - scores.mean(drawn), [RARE_RUN], DATUM).transpose(RARE_RUN, DATUM)
    slopes = -flat.values / np.log(2)
    runs = len(slopes)
    spread = slopes.std(axis=0, ddof=1) if runs > 1 else np.full(slopes.shape[1], np.inf)
    usual = _errors_of_means(stacked(scores, drawn, DATUM).transpose(DATUM, *drawn).values)
    return xr.Dataset(
        {
            "gradient": (DATUM, slopes.mean(axis=0)),
            "mcse": (DATUM, np.hypot(spread / np.sqrt(runs), usual / np.log(2))),
        },
        {DATUM: flat[DATUM].values},
        {
            "target": decode_attrs(rare.attrs).get("target", np.nan),
            "bits": _bits_of_target(worlds),
            "runs": runs,
        },
    )


def _bits_of_target(worlds: xr.DataTree) -> float:
    """Take them of the mean probability of the runs; those that did not reach it have none."""
    if RARE_WORLDS not in worlds.children:
        return np.nan
    bits = worlds[RARE_WORLDS].to_dataset()["run_bits"].values
    return float(np.log2(len(bits)) - np.logaddexp2.reduce(-bits)) + 0.0


def _errors_of_means(scores: np.ndarray) -> np.ndarray:
    """Find the standard errors of mean scores, shape (datum, chain, draw[, future])."""
    if scores[0].size == 1:
        return np.full(len(scores), np.inf)
    chains = scores.reshape(*scores.shape[:3], -1)
    return np.array([error_of_estimate([one - one.mean()]) for one in chains])
