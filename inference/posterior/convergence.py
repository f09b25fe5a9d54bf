"""Can the chains be trusted? R-hat and effective draws of each latent, and a warning by name."""

import warnings

import arviz_stats as azs
import numpy as np
import xarray as xr

from counterfactual_models.errors import ImpactWarning
from inference import schema

__all__ = ["judge"]

_WORST_RHAT = 1.03
_FEWEST_DRAWS_PER_CHAIN = 50


def judge(tree: xr.DataTree, *, independent: bool) -> None:
    """Add the group `convergence` to a posterior; warn of the worst site when chains are bad.

    Parameters
    ----------
    tree
        With the groups `posterior` and `sample_stats`.
    independent
        The draws are independent by construction: report, but do not warn.
    """
    posterior = tree["posterior"].to_dataset()
    if not posterior.data_vars or posterior.sizes[schema.DRAW] < 4:
        tree["convergence"] = xr.DataTree(xr.Dataset())
        return
    group = xr.DataTree.from_dict({"posterior": posterior.map(lambda v: v.astype(float))})
    with np.errstate(invalid="ignore", divide="ignore"):  # a latent the evidence leaves one value
        found = {
            "rhat": _dataset(azs.rhat(group)),
            "ess_bulk": _dataset(azs.ess(group, method="bulk")),
            "ess_tail": _dataset(azs.ess(group, method="tail")),
        }
    joined = xr.concat(list(found.values()), dim=xr.Variable("statistic", list(found)))
    tree["convergence"] = xr.DataTree(joined)
    problems = [] if independent else _problems(tree, found)
    if problems:
        warnings.warn(
            "the posterior is not to be trusted yet: "
            + "; ".join(problems)
            + ". Take more draws, "
            "scale the site to unit size, or reparametrise it (pyro.infer.reparam).",
            ImpactWarning,
            stacklevel=3,
        )


def _problems(tree: xr.DataTree, found: dict[str, xr.Dataset]) -> list[str]:
    drawn = tree["posterior"].to_dataset()
    still = [
        str(n) for n, v in drawn.items() if float(v.std([schema.CHAIN, schema.DRAW]).min()) == 0
    ]
    problems = [f"{name!r} never moves" for name in still]
    rhat = {str(n): max(_finite(v), default=1.0) for n, v in found["rhat"].items()}
    worst = max(rhat, key=rhat.__getitem__)
    if rhat[worst] > _WORST_RHAT:
        problems.append(f"R-hat of {worst!r} is {rhat[worst]:.2f} (wanted below {_WORST_RHAT})")
    wanted = _FEWEST_DRAWS_PER_CHAIN * drawn.sizes[schema.CHAIN]
    ess = {str(n): min(_finite(v), default=np.inf) for n, v in found["ess_bulk"].items()}
    fewest = min(ess, key=ess.__getitem__)
    if ess[fewest] < wanted:
        problems.append(f"{fewest!r} has {ess[fewest]:.0f} effective draws (wanted {wanted})")
    diverging = int(tree["sample_stats"]["diverging"].sum())
    if diverging:
        problems.append(f"{diverging} draws diverge")
    return problems


def _finite(values: xr.DataArray) -> list[float]:
    return [float(v) for v in values.values.ravel() if np.isfinite(v)]


def _dataset(found: xr.DataTree | xr.Dataset) -> xr.Dataset:
    """Take the dataset out of what ArviZ returned; the generations differ in how they wrap it."""
    if isinstance(found, xr.Dataset):
        return found
    return found.children.get("posterior", found).to_dataset()
