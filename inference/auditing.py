"""How different is the world with each disciple let in? The whole question, in one call."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats

from counterfactual_models.anatomy import Anatomy
from counterfactual_models.checks import check_world
from counterfactual_models.disciples import Disciple, gather
from counterfactual_models.errors import ImpactWarning, MeasurementError, WorldError, nearest
from counterfactual_models.utilities import Utility
from inference import schema
from inference.arrays.blocks import FEWEST_DRAWS
from inference.diagnostics import coarse_graining, optimization_power
from inference.posterior import sample_posterior
from inference.store import save
from inference.worlds import check_options, sample_worlds

__all__ = ["Audit", "audit"]

_HOPELESS = 1e8


@dataclass(frozen=True, repr=False)
class Audit:
    """The answer: drawn worlds, one number per disciple and measurement, one sentence each.

    Parameters
    ----------
    tree
        Posterior, worlds and the group `coarse_graining`.
    summary
        One row per disciple and measurement: tv, mcse, lower, upper, floor, p, verdict,
        draws_needed.
    sentences
        One per disciple, in plain words.
    tolerance
        The tv up to which a difference counts as none.
    utility
        Of every world: expected ``utility`` and its ``mcse``; ``bits`` of optimization power of
        its typical draw with ``bits_mcse``, and whether they are only a lower bound
        (``at_least``). None without a utility.
    warnings
        What was warned of on the way.
    """

    tree: xr.DataTree
    summary: pd.DataFrame
    sentences: list[str]
    tolerance: float
    utility: xr.Dataset | None = None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join([*self.sentences, "", _movers(self.summary).to_string(index=False)])

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.sentences)
        table = _movers(self.summary).to_html(index=False, border=0)
        return f"<ul>{lines}</ul>{table}"

    def write(self, directory: str | Path) -> tuple[Path, Path]:
        """Write the page ``report.html`` and the tree ``worlds.nc`` into a folder.

        Returns
        -------
        tuple of Path and Path
            Page and tree.
        """
        from inference.report import render  # matplotlib loads only when a page is wanted

        folder = Path(directory)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorldError(f"cannot make the folder {folder}: {error.strerror}.") from error
        names = self.summary[schema.DISCIPLE].unique()
        text = render(
            self.tree,
            self.tree["coarse_graining"].to_dataset(),
            {
                name: said.removeprefix(f"{name}: ")
                for name, said in zip(names, self.sentences, strict=True)
            },
            title=schema.decode_attrs(self.tree.attrs)["name"],
            summary=self.summary,
            utility=self.utility,
            warnings=self.warnings,
        )
        tree = save(self.tree, folder / "worlds.nc")
        page = folder / "report.html"
        try:
            page.write_text(text, encoding="utf-8")
        except OSError as error:
            raise WorldError(f"cannot write {page}: {error.strerror}.") from error
        return page, tree


def audit(
    world: Callable[..., Any],
    evidence: Mapping[str, Any] | None,
    disciples: Mapping[str, Callable[..., Any]] | Iterable[Disciple | Callable[..., Any]],
    utility: Utility | None = None,
    *,
    tolerance: float = 0.05,
    method: str = "auto",
    draws: int = 1000,
    chains: int = 4,
    futures: int = 1,
    seed: int = 0,
    coupling: str = "independent",
    coords: Mapping[str, Any] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    name: str | None = None,
    progress: bool = True,
) -> Audit:
    """Check a world, draw its posterior and its worlds, compare them, and say what was found.

    Parameters
    ----------
    world, evidence, disciples
        As in ``sample_posterior`` and ``sample_worlds``.
    utility
        What the master wants; its expectation is reported for every disciple, and how rarely the
        erased world is as good: optimization power, in bits.
    tolerance
        Total variation, in (0, 1), up to which a measurement counts as unmoved.
    method, draws, chains, futures, seed, coupling, coords, dims, progress
        As in ``sample_posterior`` and ``sample_worlds``.
    name
        Title of the page; by default the world's own name.

    Returns
    -------
    Audit

    Raises
    ------
    CounterfactualError
        For what does not fit, before any long run.

    Examples
    --------
    >>> import inference
    >>> from counterfactual_models import zoo
    >>> ex = zoo.load("gaussian")
    >>> found = inference.audit(
    ...     ex.world, ex.evidence, ex.disciples, method="importance", progress=False)
    >>> found.summary.query("disciple == 'push' and verdict == 'above'").measurement.tolist()
    ['level[0]', 'level[1]']
    """
    if not 0.0 < tolerance < 1.0:
        raise WorldError(f"got tolerance={tolerance}; expected a total variation between 0 and 1.")
    check_options(futures=futures, coupling=coupling)
    _refuse_few(draws, chains)
    everyone = gather(disciples)
    for disciple in everyone:
        _check_measured(check_world(world, disciple, seed=seed), utility)
    shared: dict[str, Any] = {"seed": seed, "coords": coords, "dims": dims, "progress": progress}
    with _heard() as caught:
        posterior = sample_posterior(world, evidence, method, draws=draws, chains=chains, **shared)
        tree = sample_worlds(
            world, posterior, everyone, futures=futures, coupling=coupling, **shared
        )
        result = coarse_graining(tree, tolerance=tolerance)
    tree["coarse_graining"] = xr.DataTree(result)
    tree.attrs |= schema.encode_attrs({"name": name or tree.name})
    summary = _summary(result)
    wanted = None if utility is None else xr.merge([_expected(tree, utility), _hit(tree, utility)])
    drawn = summary[schema.DISCIPLE].unique()
    sentences = [_sentence(name, summary, result, wanted) for name in drawn]
    told = tuple(str(w.message) for w in caught if issubclass(w.category, ImpactWarning))
    return Audit(tree, summary, sentences, tolerance, wanted, told)


@contextmanager
def _heard() -> Iterator[list[warnings.WarningMessage]]:
    """Note the warnings of a run for its page, and give them to the user as well."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ImpactWarning)
        yield caught
    for warning in caught:
        warnings.warn(warning.message, stacklevel=4)


def _refuse_few(draws: int, chains: int) -> None:
    if draws * chains < FEWEST_DRAWS:
        raise WorldError(
            f"got {chains} chains of {draws} draws; expected at least {FEWEST_DRAWS} draws in "
            "all, and some thousands for a verdict."
        )


def _check_measured(anatomy: Anatomy, utility: Utility | None) -> None:
    """Refuse a world, or a utility, that could never show anything."""
    if not anatomy.named("measurement"):
        raise MeasurementError(
            "the world measures nothing, so no impact could ever be seen: add "
            "measure(name, value) for what ought not to care about the disciple."
        )
    if utility is not None and not isinstance(utility, Utility):
        raise MeasurementError(
            f"got a utility of type {type(utility).__name__}; expected one made by "
            "utilities.bounded('measurement', cap=...), or a sum of such."
        )
    known = anatomy.named("measurement", "future")
    for name in utility.measurements if utility else ():
        if name not in known:
            raise MeasurementError(
                f"the utility speaks of {name!r}, which the world does not measure. "
                + nearest(name, known)
            )


def _summary(result: xr.Dataset) -> pd.DataFrame:
    columns = ["tv", "mcse", "lower", "upper", "floor", "p", "verdict", "draws_needed"]
    table = result[columns].to_dataframe().reset_index()
    return table[[schema.DISCIPLE, schema.MEASUREMENT, *columns]]


def _expected(tree: xr.DataTree, utility: Utility) -> xr.Dataset:
    """Mean utility of every world, with its Monte Carlo error over draws of the past."""
    drawn = tree["predictions"].to_dataset()
    values = utility({name: drawn[name] for name in utility.measurements})
    own = [d for d in values.dims if d not in (schema.DISCIPLE, *schema.sample_dims(values))]
    if own:
        raise MeasurementError(
            f"the utility has the axes {own} left over; expected one number per world: measure a "
            "sum or a mean of them."
        )
    rows = values.mean(schema.FUTURE) if schema.FUTURE in values.dims else values
    rows = rows.transpose(schema.DISCIPLE, schema.CHAIN, schema.DRAW)
    error = np.array(
        [array_stats.mcse(row, chain_axis=0, draw_axis=1, method="mean") for row in rows.values]
    )
    # Chains too short for ArviZ to judge count as independent draws.
    count = rows.sizes[schema.CHAIN] * rows.sizes[schema.DRAW]
    naive = rows.std([schema.CHAIN, schema.DRAW]).values / np.sqrt(count)
    return xr.Dataset(
        {
            "utility": rows.mean([schema.CHAIN, schema.DRAW]),
            "mcse": (schema.DISCIPLE, np.where(np.isfinite(error), error, naive)),
        }
    )


def _hit(tree: xr.DataTree, utility: Utility) -> xr.Dataset:
    """Measure the target that each world's typical draw hits; the erased world's is chance."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImpactWarning)  # the sentence says what is only a bound
        found = optimization_power(tree, utility).sel(summary="median")
    numbers = {
        "bits": np.append(found["chance"][:1], found["bits"]),
        "bits_mcse": np.append(0.0, found["mcse"]),
        "at_least": np.append(False, found["censored_share"] >= 0.5),
    }
    names = [schema.ERASED, *map(str, found[schema.DISCIPLE].values)]
    return xr.Dataset(
        {name: (schema.DISCIPLE, values) for name, values in numbers.items()},
        {schema.DISCIPLE: names},
    )


def _sentence(
    name: str, summary: pd.DataFrame, result: xr.Dataset, utility: xr.Dataset | None
) -> str:
    tolerance, draws = result.attrs["tolerance"], result.attrs["draws"]
    own = summary[summary[schema.DISCIPLE] == name].sort_values("tv", ascending=False)
    above, below = own[own.verdict == "above"], own[own.verdict == "below"]
    open_ = own[own.verdict == "undecided"]
    parts = []
    if len(above):
        shown = [f"{m} (tv {t:.3f} ± {e:.3f})" for m, t, e in _rows(above.head(3))]
        more = f" and {len(above) - 3} more" if len(above) > 3 else ""
        parts.append(f"moves {len(above)} of {len(own)} measurements: {', '.join(shown)}{more}")
    elif not len(open_):
        parts.append(f"moves none of {len(own)} measurements, to within tv {tolerance:g}")
    else:
        parts.append(f"is not seen to move any of {len(own)} measurements")
    if len(below) and (above.size or open_.size):
        parts.append(f"{len(below)} {_are(below)} certified below tv {tolerance:g}")
    if len(open_):
        parts.append(f"{len(open_)} {_are(open_)} undecided ({_needed(open_, draws)})")
    if utility is not None:
        own_utility, erased = (utility.sel({schema.DISCIPLE: d}) for d in (name, schema.ERASED))
        parts.append(
            f"expected utility {float(own_utility.utility):.3g} ± {float(own_utility.mcse):.1g} "
            f"(erased: {float(erased.utility):.3g} ± {float(erased.mcse):.1g})"
        )
        parts.append(_rarity(own_utility))
    return f"{name}: " + "; ".join(parts) + "."


def _rarity(own: xr.Dataset) -> str:
    """Say how rarely the erased world does as well as this one's typical draw."""
    bits, error = float(own.bits), float(own.bits_mcse)
    often = f"once in {float(f'{2**bits:.2g}'):,.0f} draws"
    said = "the erased world does as well as its typical draw"
    if bool(own.at_least):
        return f"{said} less than {often}"
    return f"{said} {often if bits > 3 else f'in {2**-bits:.0%}'} ({bits:.3g} ± {error:.1g} bits)"


def _are(table: pd.DataFrame) -> str:
    return "is" if len(table) == 1 else "are"


def _needed(open_: pd.DataFrame, draws: int) -> str:
    """Say how many draws would tell, to two digits; past a hundred million none will."""
    most = float(open_.draws_needed.max())
    if most >= _HOPELESS:
        return "too close to the tolerance for any number of draws"
    return f"about {float(f'{most:.2g}'):,.0f} draws of each world would tell; these are {draws:,}"


def _rows(table: pd.DataFrame) -> list[tuple[str, float, float]]:
    return list(zip(table[schema.MEASUREMENT], table.tv, table.mcse, strict=True))


def _movers(summary: pd.DataFrame, most: int = 15) -> pd.DataFrame:
    columns = [
        schema.DISCIPLE,
        schema.MEASUREMENT,
        "tv",
        "mcse",
        "floor",
        "lower",
        "upper",
        "verdict",
    ]
    return summary.sort_values("tv", ascending=False)[columns].head(most).round(3)
