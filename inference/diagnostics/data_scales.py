r"""How far might each datum have been otherwise: given all others, and before any was known?

The first is a deviation for each datum (``loo_sd`` of the tree, or what the user gives); the
second are the means of the data in draws of the prior, and the noise around them, of which

.. math:: \Sigma_e = \mathrm{Cov}(E[e \mid z]) + \mathrm{diag}(\mathrm{noise}^2)

is made, in one way or the other, by those who ask.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from counterfactual_models.errors import EvidenceError, WorldError, nearest
from inference.diagnostics.scored import ScoredWorlds
from inference.schema import DATUM, PRIOR_DRAW, PRIOR_EVIDENCE, flatten_data

__all__ = ["Scale", "checked_deviations", "deviations", "has_prior", "prior_evidence"]

FEWEST = 20
"""Fewest draws of the prior that make a covariance."""

Scale = Mapping[str, float] | xr.DataArray | Sequence[float]


def deviations(
    scored: ScoredWorlds, given: Scale | None = None, *, positive: bool = False
) -> np.ndarray:
    """Find the deviation of each datum given all others, (datum,).

    Parameters
    ----------
    scored
        The worlds.
    given
        Site, or label of a datum, -> deviation, in place of what the tree has; or one for each
        datum, in their order or with their labels.
    positive
        Whether zero is refused, too.

    Raises
    ------
    EvidenceError
        If a name is not there, or a datum has no deviation.
    """
    if given is None or isinstance(given, Mapping):
        found = _named(scored, given or {})
    else:
        if isinstance(given, xr.DataArray) and DATUM in given.coords:
            given = given.reindex({DATUM: scored.data})
        found = np.asarray(given, dtype=np.float64)
        if found.shape != (len(scored.data),):
            raise EvidenceError(
                f"got scale of shape {found.shape}; expected one number for each of the "
                f"{len(scored.data)} data {scored.data[:3]}..., in this order, or a DataArray "
                "with their labels along 'datum'."
            )
    return checked_deviations(found, scored, positive=positive)


def _named(scored: ScoredWorlds, given: Mapping[str, float]) -> np.ndarray:
    """Take deviations from the tree, but for those that are given by name."""
    own = scored.scale("loo_sd")
    found = np.full(len(scored.data), np.nan) if own is None else np.array(own, dtype=float)
    sites = np.array([label.split("[")[0] for label in scored.data])
    for name, size in given.items():
        named = (np.array(scored.data) == name) | (sites == name)
        if not named.any():
            known = list(dict.fromkeys([*sites.tolist(), *scored.data]))
            raise EvidenceError(f"scale= names no datum {name!r}. {nearest(name, known)}")
        found[named] = size
    return found


def checked_deviations(
    values: np.ndarray, scored: ScoredWorlds, *, positive: bool = False
) -> np.ndarray:
    """Refuse deviations (datum,) that are none, by the datum.

    Raises
    ------
    EvidenceError
        Naming the first one.
    """
    bad = ~(np.isfinite(values) & ((values > 0) if positive else (values >= 0)))
    if bad.any():
        label, size = scored.data[int(np.argmax(bad))], values[bad][0]
        raise EvidenceError(
            f"the deviation of datum {label!r} is {size:g} (the first of {bad.sum()} such); "
            f"expected a finite number {'above' if positive else 'of at least'} 0. Run "
            "inference.with_scores on these worlds again, leave it out (data=[...]), or give it: "
            f"scale={{{label.split('[')[0]!r}: 1.0}}."
        )
    return values


def has_prior(worlds: xr.DataTree, scored: ScoredWorlds) -> bool:
    """Tell whether the tree says what the data might have been before any was known."""
    return PRIOR_EVIDENCE in worlds.children and scored.scale("prior_noise") is not None


def prior_evidence(worlds: xr.DataTree, scored: ScoredWorlds) -> tuple[np.ndarray, np.ndarray]:
    """Read what the data might have been before any was known.

    Returns
    -------
    tuple of np.ndarray
        Their means in draws of the prior, (prior draw, datum), and their noise, (datum,).

    Raises
    ------
    WorldError
        If the tree does not say.
    EvidenceError
        If it does not say of some datum, or has too few draws.
    """
    noise = scored.scale("prior_noise")
    if PRIOR_EVIDENCE not in worlds.children or noise is None:
        raise WorldError(
            "got worlds without 'prior_evidence': what the evidence could have been is not in "
            "them. Run inference.with_scores(world, worlds, disciples) on them again."
        )
    group = worlds[PRIOR_EVIDENCE].to_dataset()
    sites = dict.fromkeys(label.split("[")[0] for label in scored.data)
    own = [site for site in sites if site in group] or [str(name) for name in group]
    flat = flatten_data(group[own])
    if [str(label) for label in flat[DATUM].values] != scored.data:
        flat = flat.reindex({DATUM: scored.data})
    means = flat.transpose(PRIOR_DRAW, DATUM).values
    if len(means) < FEWEST:
        raise EvidenceError(
            f"the tree has {len(means)} draws of the data before they were known; expected at "
            f"least {FEWEST}, and some hundreds: run inference.with_scores again."
        )
    # A hole in any draw makes a hole in the sum.
    bad = ~np.isfinite(noise + means.sum(axis=0, dtype=np.float64))
    if bad.any():
        raise EvidenceError(
            f"datum {scored.data[int(np.argmax(bad))]!r} has a score and no draws of the prior, "
            f"or some that are not finite (the first of {bad.sum()} such): run "
            "inference.with_scores on these worlds again, or leave it out: data=[...]."
        )
    return means, noise
