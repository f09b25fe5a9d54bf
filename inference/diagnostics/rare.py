"""What does a tree of worlds know of erased worlds that are rarer than its draws?"""

from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from counterfactual_models.errors import WorldError
from inference import schema
from inference.arrays.order.own_draws import COUNTED, judged_draws
from inference.arrays.order.reweighted import reweighted_bits
from inference.utility_values import fingerprint

__all__ = ["Rare", "rare_worlds_of"]

_APART, _ROUGHLY, _NORMAL = 4.0, 0.1, 1.96
_WEIGHED = 50
_MOST = 4000
"""Draws of a run that are looked at."""


@dataclass(frozen=True)
class Rare:
    """Weighted erased worlds, for one disciple.

    Parameters
    ----------
    method
        ``counting`` (there are none), ``splitting`` or ``importance``.
    runs
        Of splitting: utilities and logarithmic masses.
    weighed
        Of importance: erased utilities and logarithmic masses of the disciple's own draws.
    lower
        Bits that are known to be needed beyond the last of them.
    khat
        Of the weights at the utility that is typically achieved; NaN where there are none.
    reliable, reason
        Whether they can be trusted, and why not.
    """

    method: str = "counting"
    runs: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    weighed: tuple[np.ndarray, np.ndarray] | None = None
    lower: float = 0.0
    khat: float = np.nan
    reliable: bool = True
    reason: str = ""


def rare_worlds_of(
    worlds: xr.DataTree | xr.Dataset,
    name: str,
    values: xr.DataArray,
    effective: float,
    *,
    splitting: bool = False,
) -> Rare:
    """Find what ``with_rare_worlds`` left in a tree, and whether it can be trusted.

    Splitting is taken where it can be, for it sees ways up that the disciple does not take; else
    importance, if its weights can be trusted. Splitting cannot be where these weights say that
    the disciple's way is likelier than all that it found. What cannot be trusted is left alone
    where the erased draws are enough to count what is typically achieved.

    Parameters
    ----------
    worlds
        A tree of worlds.
    name
        The disciple.
    values
        Utility of every draw, ``erased`` first.
    effective
        How many independent draws they are worth.
    splitting
        Look for nothing else.

    Returns
    -------
    Rare

    Raises
    ------
    WorldError
        If the rare worlds are those of another utility.

    Examples
    --------
    >>> rare_worlds_of(xr.Dataset(), "greedy", xr.DataArray(0.0), 100.0).method
    'counting'
    """
    if not isinstance(worlds, xr.DataTree):
        return Rare()
    off, on = (values.sel({schema.DISCIPLE: n}).values for n in (schema.ERASED, name))
    typical = float(np.median(on))
    split = _split(worlds, name, values)
    weighed = None if splitting else _weighed(worlds, name, values, effective)
    if split is not None and weighed is not None and weighed.reliable:
        split = _held(split, weighed, typical, effective)
    trusted = [one for one in (split, weighed) if one is not None and one.reliable]
    found = (trusted or [split or weighed or Rare()])[0]
    if not found.reliable and int((off >= typical).sum()) >= COUNTED:
        return Rare(reason=f"not used: {found.reason}")
    return found


def _held(split: Rare, weighed: Rare, typical: float, effective: float) -> Rare:
    """Distrust splitting that finds less than the disciple's own draws alone stand for."""
    assert weighed.weighed is not None
    erased_utility, mass = weighed.weighed
    log_ratio = mass + np.log(mass.size)
    told = reweighted_bits(log_ratio, erased_utility, typical, effective=effective)
    shares = [np.exp(mass[utility >= typical]).sum() for utility, mass in split.runs]
    with np.errstate(divide="ignore"):
        bits = -np.log2(np.mean(shares))
    spread = np.std(shares, ddof=1) / np.mean(shares) / np.log(2) if np.mean(shares) > 0 else 0.0
    error = np.hypot(told.mcse, spread / np.sqrt(len(shares)))
    if not told.reliable or told.bits > bits - _APART * error - _ROUGHLY:
        return split
    return replace(
        split,
        reliable=False,
        reason=f"splitting lost a way up: {bits:.3g} bits, where the disciple's own draws alone "
        f"show {float(told.bits):.3g}",
    )


def _group(
    worlds: xr.DataTree, name: str, disciple: str, values: xr.DataArray
) -> xr.Dataset | None:
    if name not in worlds.children:
        return None
    group = worlds[name].to_dataset()
    known = schema.decode_attrs(group.attrs).get("utility")
    told = known if isinstance(known, dict) else {schema.ERASED: known}
    own = {n: fingerprint(values.sel({schema.DISCIPLE: n})) for n in (schema.ERASED, disciple)}
    if any(told.get(n, own[n]) != own[n] for n in own):
        raise WorldError(
            f"the group {name!r} of these worlds was made for another utility, or other draws: "
            "call with_rare_worlds(world, worlds, disciples, utility) with this utility."
        )
    return group


def _weighed(
    worlds: xr.DataTree, name: str, values: xr.DataArray, effective: float
) -> Rare | None:
    group = _group(worlds, schema.RARE_RATIOS, name, values)
    if group is None or name not in group[schema.DISCIPLE].values:
        return None
    lead = schema.sample_dims(values)
    own = group.sel({schema.DISCIPLE: name})
    ratio = own["log_ratio"].transpose(*lead).values
    erased_utility = own["erased_utility"].transpose(*lead).values
    off, on = (values.sel({schema.DISCIPLE: n}).values for n in (schema.ERASED, name))
    told = judged_draws(ratio, erased_utility, off, on, effective=effective)
    weighed = erased_utility, ratio - np.log(ratio.size)
    lower = _least_beyond(ratio, erased_utility, effective)
    return Rare("importance", [], weighed, lower, told.khat, told.reliable, told.reason)


def _least_beyond(ratio: np.ndarray, erased_utility: np.ndarray, effective: float) -> float:
    """Bits of the highest utility that enough weights speak for: beyond it there are no fewer."""
    possible = np.sort(erased_utility[np.isfinite(ratio)], axis=None)
    if not possible.size:
        return 0.0
    judged = reweighted_bits(
        ratio, erased_utility, possible[-min(_WEIGHED, possible.size)], effective=effective
    )
    return max(0.0, float(judged.bits - _NORMAL * judged.mcse)) if judged.reliable else 0.0


def _split(worlds: xr.DataTree, name: str, values: xr.DataArray) -> Rare | None:
    group = _group(worlds, schema.RARE_WORLDS, name, values)
    if group is None:
        return None
    attrs = schema.decode_attrs(group.attrs)
    dims = (schema.RARE_RUN, schema.RARE_DRAW)
    utility, mass = (group[n].transpose(*dims).values for n in ("utility", "log_weight"))
    runs = []
    for one, weight in zip(utility, mass, strict=True):
        kept = np.isfinite(weight)
        runs.append(_thinned(one[kept], weight[kept]))
    reason = "" if attrs["reliable"] else "splitting: " + "; ".join(attrs["reasons"])
    return Rare(
        "splitting", runs, None, float(attrs["lower"]), np.nan, bool(attrs["reliable"]), reason
    )


def _thinned(utility: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Let one draw stand for some neighbours, the middle one for all of their mass.

    A halving has hundreds, and its own error is larger than what this moves by a hundredth.
    """
    order = np.argsort(utility, kind="stable")
    starts = np.arange(0, len(order), -(-len(order) // _MOST))
    middle = np.minimum(starts + (starts[1:2].sum() or 1) // 2, len(order) - 1)
    return utility[order][middle], np.logaddexp.reduceat(mass[order], starts)
