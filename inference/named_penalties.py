r"""Which numbers of the diagnostics are penalties, and how are they kept from being noise?

* ``coarse_graining``: total variation, the ``mean`` over measurements or their ``max``;
* ``joint_coarse_graining``: total variation of all measurements together, seen from below;
* ``absolute_importance``: by how much X is more important than the evidence;
* ``relative_importance``: the ``greatest`` of ``trace_distance``, ``signed_distance`` and
  ``rescaling`` = 1 - 2^-sqrt(log_scale² - mcse²), all in [0, 1]: a disciple can play against any
  one alone. One that leaves no proportions to be seen, as it freezes the future or drowns it in
  noise, is charged 1, the most there is: noise buys nothing;
* ``motive_importance``: bits by which the future of a disciple stands out from the mean of all
  disciples', the mean over measurements. Only for disciples that differ in their goals alone: who
  does nothing among many that do much stands out most.
* ``shape``: how far the shape of the future is changed, whatever it is about: ``rearranged_tv``,
  or the modulus of the change of ``concentration``, ``shortest_half``, ``entropy``,
  ``varentropy`` or ``peaks``, on average over measurements: of what exists for every law. Blind
  to worlds that change places.
* ``description_length``: ``conditional``, the share of a world's bits that must still be said
  once the other is known, in [0, 1], and nearly 0 or 1 where a measurement has few values;
  ``complexity``, bits by which it is simpler or more complicated, blind to worlds that move;
  ``distortion``, the total variation that is left when the other world is known and the rest is
  said within the budget. The budget is that of the shortest source of all disciples: beside a
  plain disciple nobody gains by padding his own source, or by many weights. Alone he does.

**Noise is not to be charged.** A distance of noisy estimates is never zero, and a disciple that
changes nothing would pay for the number of measurements. In the mean, each measurement enters with
the sign of what it shows beyond its floor, sign(d) sqrt(\|d\|) with d = plugin² - floor²: noise
below the floors pays for noise above them, and only the mean is cut off at 0. (What stays far
below its floor is charged about half of what it is: draw more.) What is nearer to the erased world
than the erased world itself would be in 99 draws of 100 says nothing, and counts 0: else a
disciple could pay with copies for what it moves. The greatest of many noisy numbers is mostly
noise: so one half of the draws names the measurement (or the distance), the other half says how
far it moved, and then the other way round. Their mean is at most the greatest.

The error of such a number is how far it moves if plugin moves by its own error either way: near
the floor, that is further. That of a mean over measurements, which are correlated, comes from
blocks of draws, in which all measurements are added up before their spread is taken. Under ten
effective draws, as of chains that never meet, no error is known, and it may be all there is.

Comparing worlds exactly (``fine_graining``) is no penalty: it charges everybody 1.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import ImpactWarning, WorldError
from inference.arrays.blocks import FEWEST_DRAWS, widening
from inference.arrays.cell_counts import merge_novel
from inference.arrays.total_variation import FEWEST_EFFECTIVE
from inference.beyond_floors import FLIPS, beyond_floor, signed_root
from inference.diagnostics.absolute_importance import absolute_importance
from inference.diagnostics.coarse_graining import coarse_graining
from inference.diagnostics.description_length import DESCRIPTION, SOURCES, description_length
from inference.diagnostics.joint_coarse_graining import joint_coarse_graining
from inference.diagnostics.motive_importance import motive_importance
from inference.diagnostics.relative_importance import relative_importance
from inference.diagnostics.shape import DESCRIPTOR, shape
from inference.diagnostics.soundness import SLOWEST, slowest_latent
from inference.diagnostics.sources import source_of
from inference.schema import (
    CHAIN,
    DISCIPLE,
    DRAW,
    ERASED,
    EVIDENCE_SCORES,
    MEASUREMENT,
    decode_attrs,
    encode_attrs,
    predictions,
)

__all__ = ["Named", "names"]

OF = "of"

Worlds = xr.DataTree | xr.Dataset


@dataclass(frozen=True)
class Named:
    """A penalty of this library; build one with :func:`build`.

    Parameters
    ----------
    name, of
        Which diagnostic, and which of its numbers.
    measurements
        Names to keep; all that the world measures by default.
    seed
        For what the diagnostic draws.
    """

    name: str
    of: str
    measurements: tuple[str, ...] | None = None
    seed: int = 0

    def __call__(
        self, worlds: Worlds, /, disciples: Sequence[str] | str | None = None
    ) -> xr.Dataset:
        """Run the diagnostic, and read the penalty off it."""
        options = {"disciples": disciples, "measurements": self.measurements, "seed": self.seed}
        return _ENTRIES[self.name][self.of](worlds, self.of, options)


def names() -> dict[str, list[str]]:
    """List the penalties that go by name, and for each what ``of=`` may be, the default first.

    Examples
    --------
    >>> names()["coarse_graining"]
    ['mean', 'max']
    """
    return {name: list(of) for name, of in _ENTRIES.items()}


def _mean_variation(worlds: Worlds, of: str, options: dict[str, Any]) -> xr.Dataset:
    shown = coarse_graining(worlds, flips=FLIPS, **options)
    found = beyond_floor(shown).mean(MEASUREMENT)
    most = shown["mcse"].mean(MEASUREMENT)
    together = np.minimum(most, _error_of_mean(worlds, options))
    moved = found["mcse"] / most.where(most > 0, 1.0)
    # Each measurement whose error is not known may be off by 1.
    unknown = (shown["ess"] < FEWEST_EFFECTIVE).mean(MEASUREMENT)
    error = (moved * together + unknown).clip(max=1.0)
    return found.assign(penalty=found["penalty"].clip(min=0.0), mcse=error)


def _error_of_mean(worlds: Worlds, options: dict[str, Any]) -> np.ndarray:
    """Add the witnesses of all measurements up block by block, and take the spread of blocks."""
    asked = {name: options[name] for name in ("disciples", "measurements")}
    source = source_of(worlds, cells=None, **asked)
    effective = source.effective(slowest_latent(worlds))
    bounds = source.bounds(float(np.quantile(effective, SLOWEST)))
    lengths = np.diff(bounds)
    witness = np.zeros((len(source.disciples), len(lengths)))
    for _, counts, _ in source.counted(bounds):
        for place, let_in in enumerate(counts[1:]):
            apart = merge_novel(let_in, counts[0])
            witness[place] += 0.5 * np.einsum("bcm,cm->b", apart, np.sign(apart.sum(axis=0)))
    residual = witness - witness.sum(axis=1, keepdims=True) * (lengths / lengths.sum())
    blocks = len(lengths)
    spread = np.sqrt(blocks / (blocks - 1) * np.square(residual).sum(axis=1)) / lengths.sum()
    slowest = np.maximum(effective.min(axis=1), FEWEST_EFFECTIVE)
    return np.asarray(widening(slowest, blocks) * spread / effective.shape[1])


def _greatest_variation(worlds: Worlds, of: str, options: dict[str, Any]) -> xr.Dataset:
    """Let each half of the draws name the measurement that the other half is read at."""
    halves = [coarse_graining(half, flips=FLIPS, **options) for half in _halves(worlds)]
    named = [half["tv"].argmax(MEASUREMENT) for half in halves]
    read = [halves[k].isel({MEASUREMENT: named[1 - k]}, drop=True) for k in (0, 1)]
    one, other = map(beyond_floor, read)
    found = (one + other) / 2
    errors = np.square(one["mcse"]) + np.square(other["mcse"])
    found = found.assign(penalty=found["penalty"].clip(min=0.0), mcse=errors**0.5 / 2)
    # Where one is not known, so is the greatest.
    worth = [half["ess"].min(MEASUREMENT) for half in halves]
    return _owned_up(found, xr.Dataset({"ess": np.minimum(worth[0], worth[1])}))


def _owned_up(found: xr.Dataset, shown: xr.Dataset, most: Any = 1.0) -> xr.Dataset:
    """Let the error be all there is where draws are worth too little to tell it."""
    return found.assign(mcse=found["mcse"].where(shown["ess"] >= FEWEST_EFFECTIVE, most))


def _halves(worlds: Worlds) -> list[xr.DataTree]:
    """Cut every chain in two; a half has half the effective draws of its latents."""
    if not _can_be_halved(worlds):
        drawn = predictions(worlds)
        raise WorldError(
            f"these worlds have {drawn.sizes[CHAIN] * drawn.sizes[DRAW]} posterior draws, and the "
            f"greatest of many needs two halves of at least {FEWEST_DRAWS}: draw more, or take "
            "of='mean'."
        )
    latents = xr.Dataset({"slowest": ("statistic", [slowest_latent(worlds) / 2])})
    latents = latents.assign_coords(statistic=["ess_bulk"])
    whole = {"predictions": predictions(worlds)}
    if isinstance(worlds, xr.DataTree):
        whole = {name: child.to_dataset() for name, child in worlds.children.items()} | whole
    middle = whole["predictions"].sizes[DRAW] // 2
    trees: list[xr.DataTree] = []
    for half in (slice(middle), slice(middle, None)):
        cut = {n: whole[n].isel({DRAW: half}) for n in _DRAWN if n in whole}
        trees.append(xr.DataTree.from_dict(whole | cut | {"convergence": latents}))
    return trees


def _can_be_halved(worlds: Worlds) -> bool:
    sizes = predictions(worlds).sizes
    return sizes[CHAIN] * (sizes[DRAW] // 2) >= FEWEST_DRAWS


def _joint_variation(worlds: Worlds, of: str, options: dict[str, Any]) -> xr.Dataset:
    shown = joint_coarse_graining(worlds, **options)
    return shown[["tv", "mcse"]].rename(tv="penalty")


def _absolute(worlds: Worlds, of: str, options: dict[str, Any]) -> xr.Dataset:
    shown = absolute_importance(_scored(worlds), **options)
    return _let_in(shown[["penalty", "penalty_mcse"]].rename(penalty_mcse="mcse"))


def _relative(worlds: Worlds, of: str, options: dict[str, Any]) -> xr.Dataset:
    every = relative_importance(_scored(worlds), flips=FLIPS, **options)
    wanted = names()["relative_importance"][1:] if of == "greatest" else [of]
    numbers, errors = _signed_distances(every, wanted)
    found = {"penalty": numbers.max(OF), "mcse": (errors**2).sum(OF) ** 0.5}
    known = numbers.notnull().all(OF)
    if len(wanted) > 1 and _can_be_halved(worlds):
        halved = _greatest_distance(worlds, wanted, options)
        found = {name: halved[name].fillna(value) for name, value in found.items()}
    found["penalty"] = found["penalty"].clip(0.0, 1.0)
    found = {name: value.where(known) for name, value in found.items()}
    reason = _let_in(every)["reason"]
    if str(every["reason"].sel({DISCIPLE: ERASED}).item()) or bool(known.all()):
        return xr.Dataset({**found, "reason": reason})
    unseen = ", ".join(repr(str(name)) for name in known[DISCIPLE].values[~known.values])
    warnings.warn(
        f"with {unseen} let in, the future is not seen to depend on the evidence, which noise "
        "alone may do: relative importance charges 1, the most there is. Draw more, or measure "
        "what depends on the evidence.",
        ImpactWarning,
        stacklevel=2,
    )
    most = {"penalty": found["penalty"].fillna(1.0), "mcse": found["mcse"].fillna(0.0)}
    return xr.Dataset({**most, "reason": reason})


def _greatest_distance(worlds: Worlds, wanted: list[str], options: dict[str, Any]) -> xr.Dataset:
    """Let each half of the draws name the distance that the other half is read at."""
    halves: list[tuple[xr.DataArray, xr.DataArray]] = []
    for half in _halves(worlds):
        every = relative_importance(half, flips=FLIPS, **options)
        halves.append(_signed_distances(every, wanted))
    named = [numbers.fillna(-np.inf).argmax(OF) for numbers, _ in halves]
    read = [[part.isel({OF: named[1 - k]}, drop=True) for part in halves[k]] for k in (0, 1)]
    (one, first), (other, second) = read
    errors = (np.square(first) + np.square(second)) ** 0.5 / 2
    return xr.Dataset({"penalty": (one + other) / 2, "mcse": errors})


def _signed_distances(every: xr.Dataset, wanted: list[str]) -> tuple[xr.DataArray, xr.DataArray]:
    """Read distances that are about 0 where nothing changes, and below it half of the time."""
    shown = _let_in(every)
    square, doubt = shown["signed_square"], shown["signed_square_mcse"]
    grown, error = shown["log_scale"], shown["log_scale_mcse"]
    beyond = signed_root(np.square(grown) - np.square(error))
    remains = 2.0 ** -abs(beyond)
    shown["signed_distance"] = signed_root(square)
    shown["signed_distance_mcse"] = (signed_root(square + doubt) - signed_root(square - doubt)) / 2
    shown["rescaling"] = np.sign(beyond) * (1 - remains)
    shown["rescaling_mcse"] = np.log(2) * remains * error
    numbers = shown[wanted].to_dataarray(OF)
    errors = shown[[f"{name}_mcse" for name in wanted]].to_dataarray(OF)
    return numbers, errors.assign_coords({OF: wanted})


def _motive(worlds: Worlds, of: str, options: dict[str, Any]) -> xr.Dataset:
    shown = motive_importance(worlds, witness=None, flips=FLIPS, **options)
    apart = shown[["divergence", "divergence_mcse"]].mean(MEASUREMENT)
    apart = apart.rename(divergence="penalty", divergence_mcse="mcse")
    return apart.assign(penalty=apart["penalty"].clip(min=0.0))


def _shape(worlds: Worlds, of: str, options: dict[str, Any]) -> xr.Dataset:
    rearranged = of == "rearranged_tv"
    shown = shape(worlds, descriptors="entropy" if rearranged else of, flips=FLIPS, **options)
    if rearranged:
        renamed = {f"rearranged_{name}": name for name in _BEYOND}
        found = _owned_up(beyond_floor(shown[list(renamed)].rename(renamed)), shown)
    else:
        told = shown.isel({DESCRIPTOR: 0}, drop=True)
        change = abs(told["change"])
        # Where draws are worth nothing the error is not known, and may be all of the change.
        error = told["mcse"].where(np.isfinite(told["mcse"]), change)
        # Blocks that all agree, as of a certain world, are no sign that nothing changed.
        told["p"] = told["p"].where(change <= error, 0.0)
        # The square of a change that is mere noise is that of its error on average.
        found = beyond_floor(told.assign(plugin=change, floor=error, mcse=error)[[*_BEYOND]])
        found["floor"] = told["floor"].where(np.isfinite(told["floor"]), change)
    found = found.mean(MEASUREMENT)
    return found.assign(penalty=found["penalty"].clip(min=0.0))


def _description(worlds: Worlds, of: str, options: dict[str, Any]) -> xr.Dataset:
    shown = description_length(_plainest(worlds) if of == "distortion" else worlds, **options)
    if of == "complexity":
        apart = abs(shown["on"] - shown["off"])
        error = (shown["on_mcse"] ** 2 + shown["off_mcse"] ** 2) ** 0.5
        shown = shown.assign(plugin=apart, floor=error, mcse=error, p=xr.zeros_like(error))
        most = np.maximum(shown["on"], shown["off"])
        found = _owned_up(beyond_floor(shown[[*_BEYOND]]), shown, most).mean(MEASUREMENT)
        return found.assign(penalty=found["penalty"].clip(min=0.0))
    if of == "distortion":
        unknown = shown["reason"].where(shown["budget"].isnull(), drop=True)
        if unknown.size:
            raise WorldError(
                f"there is no budget for {', '.join(map(repr, unknown[DISCIPLE].values))}, as the "
                "source is not known: Disciple(policy, source='...')."
            )
        given = shown["at_budget"].sel({DESCRIPTION: ["on_given_off", "off_given_on"]})
        left = given.max(DESCRIPTION).mean(MEASUREMENT)
        # The error of what is left is not known: noise alone leaves no more than the floor.
        found = shown[["floor"]].assign(mcse=shown["floor"])
        return _owned_up(found, shown).mean(MEASUREMENT).assign(penalty=left)
    parts = xr.concat(
        [
            _still_said(shown, "on_given_off", "on"),
            _still_said(shown, "off_given_on", "off"),
        ],
        DESCRIPTION,
    )
    more = parts["penalty"].argmax(DESCRIPTION)
    return parts.isel({DESCRIPTION: more}, drop=True).mean(MEASUREMENT)


def _plainest(worlds: Worlds) -> Worlds:
    """Note down the shortest known source as that of all whose source is known."""
    noted = decode_attrs(worlds.attrs).get(SOURCES) or {}
    if not noted:
        return worlds
    found = worlds.copy(deep=False)
    bits = dict.fromkeys(noted, min(noted.values()))
    found.attrs = {**worlds.attrs, **encode_attrs({SOURCES: bits})}
    return found


def _still_said(shown: xr.Dataset, given: str, alone: str) -> xr.Dataset:
    """Take the share of a world's bits that remains, beyond those that say that it is the same."""
    beyond = (shown[given] - shown["same"]).clip(min=0.0)
    every = shown[alone].clip(min=1.0)  # a constant takes none
    errors = (shown[f"{given}_mcse"] / every).clip(max=1.0)
    found = xr.Dataset({"penalty": (beyond / every).clip(max=1.0), "mcse": errors})
    return _owned_up(found, shown)


def _scored(worlds: Worlds) -> xr.DataTree:
    if isinstance(worlds, xr.DataTree):
        return worlds
    raise WorldError(
        "this penalty reads scores of the evidence, and got a Dataset; expected the whole tree: "
        "inference.with_scores(world, worlds, disciples)."
    )


def _let_in(shown: xr.Dataset) -> xr.Dataset:
    return shown.isel({DISCIPLE: shown[DISCIPLE].values != ERASED})


_BEYOND = ("plugin", "floor", "mcse", "p")
_DRAWN = ("predictions", EVIDENCE_SCORES)
_ENTRIES: dict[str, dict[str, Callable[[Worlds, str, dict[str, Any]], xr.Dataset]]] = {
    "absolute_importance": {"excess": _absolute},
    "coarse_graining": {"mean": _mean_variation, "max": _greatest_variation},
    "joint_coarse_graining": {"tv": _joint_variation},
    "description_length": dict.fromkeys(("conditional", "complexity", "distortion"), _description),
    "motive_importance": {"mean": _motive},
    "relative_importance": dict.fromkeys(
        ("greatest", "trace_distance", "signed_distance", "rescaling"), _relative
    ),
    "shape": dict.fromkeys(
        ("rearranged_tv", "concentration", "shortest_half", "entropy", "varentropy", "peaks"),
        _shape,
    ),
}
"""Which function reads which number of a diagnostic; the first is the default."""
