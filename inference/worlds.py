r"""What does the world look like if the disciple is let in, and if it is not?

.. math:: P(e, S, X)(w) = \int p(w \mid \mathrm{past}, S, X)\, p(\mathrm{past} \mid e)

One posterior serves every disciple and both values of X, and P(e,S,0) is the same for every S:
K disciples cost K + 1 worlds. Each world is a pass of its own with the switch a plain 0 or 1, so
that no reshape can ever mix two worlds.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import xarray as xr

from counterfactual_models.disciples import Disciple, erased, gather
from counterfactual_models.errors import ImpactWarning, WorldError, refuse_counts
from inference.arrays.cells import Cells
from inference.drawing import Drawing
from inference.keeping import Counts, EveryDraw
from inference.labels import Labels
from inference.pilot import find_edges, pilot_draws
from inference.posterior.engine import bar
from inference.simulation import Way
from inference.unfinished import InMemory, Shelf, Unfinished
from inference.world_costs import say_costs
from inference.world_plans import WorldPlans
from inference.world_trees import label_worlds

__all__ = ["check_options", "sample_worlds"]

_ROLES = {"draws": ("measurement", "future"), "summary": ("measurement",)}


class _Asked(TypedDict):
    futures: int
    seed: int
    coupling: str


def sample_worlds(
    world: Callable[..., Any],
    posterior: xr.DataTree,
    disciples: Mapping[str, Callable[..., Any]] | Iterable[Disciple | Callable[..., Any]],
    *,
    futures: int = 1,
    seed: int = 0,
    coords: Mapping[str, Any] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coupling: str = "independent",
    keep: str = "draws",
    cells: Cells | int = 16,
    store: str | Path | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> xr.DataTree:
    """Draw P(e,S,1) for every disciple, and P(e,S,0) once for all.

    Only latents of the past come from the posterior; the rest is drawn or computed anew. A seed
    gives the same bits whatever the disciples, executor and store; so does a run that was stopped
    (Ctrl-C, or killed) and is called again with its `store`, which draws only what is missing.

    Parameters
    ----------
    world, posterior
        The program, and what ``sample_posterior`` drew for it (or a reloaded one).
    disciples
        Name -> policy, or a list of :class:`counterfactual_models.Disciple`.
    futures
        Futures for each draw of the past; above 1 they get a dim of their own.
    seed, coords, dims, progress
        As in ``sample_posterior``.
    coupling
        ``independent``: each world has noise of its own. ``shared``: sites of the same name have
        the same noise in every world, which shrinks the error of differences.
    keep, cells
        ``draws``; or ``summary``: how many of each block of draws lie in each cell, which is what
        ``coarse_graining`` needs, the cells being cut by a pilot of the erased world.
    store
        Path ending in ``.zarr`` to write to while drawing; the tree then reads from there.
    executor
        ``concurrent.futures.Executor`` of processes (joblib's loky, dask's); None draws here.

    Returns
    -------
    xr.DataTree
        The posterior's groups, and `predictions` (disciple, chain, draw[, future], ...) with
        ``erased`` first and the coordinate `X`; or `cell_counts`. Evidence after the switch
        resamples each world; `posterior_draw` says which draw (chain x draws + draw) a row is of.

    Raises
    ------
    WorldError, DiscipleError, MeasurementError
        If the world was changed since, the wire leaks, a draw is not finite, or sites differ
        between draws or worlds; if the store holds other worlds, or has no room.

    Examples
    --------
    >>> import inference
    >>> from counterfactual_models import zoo
    >>> ex = zoo.load("gaussian")
    >>> past = inference.sample_posterior(ex.world, ex.evidence, draws=100, progress=False)
    >>> worlds = sample_worlds(ex.world, past, ex.disciples, progress=False)
    >>> worlds["predictions"].disciple.values.tolist()
    ['erased', 'null', 'push', 'follow']
    """
    check_options(futures=futures, coupling=coupling, keep=keep, cells=cells)
    everyone, roles = [erased, *gather(disciples)], _ROLES[keep]
    asked = _Asked(futures=int(futures), seed=int(seed), coupling=coupling)
    plans = WorldPlans(world, posterior, everyone, roles=roles, **asked)
    labels = Labels(coords, dims, plans.whole.sites)
    labels.adopt(posterior)
    cut = cells if isinstance(cells, Cells) else Cells.quantile(cells)
    counted = cut if keep == "summary" else None
    shelf = _shelf(plans, counted, labels, store)
    with _held(shelf):
        if not shelf.finished:
            say_costs(plans, counted, shelf, progress=progress)
        tree = _drawn(plans, labels, counted, shelf, executor, progress)
        return shelf.finish(tree) if isinstance(shelf, Unfinished) else tree


def check_options(
    *, futures: int, coupling: str, keep: str = "draws", cells: Cells | int = 16
) -> None:
    """Refuse options of :func:`sample_worlds` that do not fit, before anything is run."""
    if coupling not in ("independent", "shared"):
        raise WorldError(f"got coupling={coupling!r}; expected 'independent' or 'shared'.")
    if keep not in _ROLES:
        raise WorldError(f"got keep={keep!r}; expected 'draws' or 'summary'.")
    refuse_counts(1, futures=futures)
    if not isinstance(cells, Cells):
        refuse_counts(2, cells=cells)


def _shelf(
    plans: WorldPlans, cells: Cells | None, labels: Labels, store: str | Path | None
) -> Shelf:
    """Find the place where the arrays go."""
    if cells is not None and not plans.recorded:
        raise WorldError(
            "the world measures nothing, so there is nothing to count: add measure(name, value) "
            "for what ought not to care about the disciple."
        )
    if plans.later and (store is not None or cells is not None):
        raise WorldError(
            f"there is evidence after the switch, on {plans.later}: worlds are resampled by it "
            "once all draws are there. Leave out store= and keep='summary', and save the result."
        )
    if store is None:
        return InMemory()
    kept = {"keep": "draws"} if cells is None else {"keep": "summary", "cells": repr(cells)}
    return Unfinished(store, {**kept, **plans.question(), "labels": labels.text(plans.recorded)})


def _drawn(
    plans: WorldPlans,
    labels: Labels,
    cells: Cells | None,
    shelf: Shelf,
    executor: Executor | None,
    progress: bool,
) -> xr.DataTree:
    """Draw everything that is missing, and label it."""
    total = plans.draws * len(plans.names) + (0 if cells is None else pilot_draws(plans))
    keeper: EveryDraw | Counts
    with bar(total, "worlds", progress) as shown:
        if cells is None:
            keeper = EveryDraw(plans, labels, shelf)
        else:
            edges = find_edges(plans, cells, shelf, executor=executor, watch=shown.update)
            keeper = Counts(plans, labels, shelf, cells, edges)
        drawing = Drawing(plans.plans, plans.pins, keeper, shelf)
        try:
            drawing.run(executor, shown.update)
        except KeyboardInterrupt as stopped:
            _keep_finished(stopped, drawing, plans, shelf)
    if plans.coupling == "shared":
        _warn_of_unshared(dict(zip(plans.names, drawing.ways, strict=True)))
    return label_worlds(plans, labels, keeper, drawing)


def _warn_of_unshared(ways: Mapping[str, Way | None]) -> None:
    alone = [name for name, way in ways.items() if way is not None and way.refused]
    if alone and len(alone) < len(ways):
        warnings.warn(
            f"the noise of {alone} is not shared with the other worlds: they are run one draw at "
            "a time. Estimates stay right; their differences have larger errors.",
            ImpactWarning,
            stacklevel=4,
        )


@contextmanager
def _held(shelf: Shelf) -> Iterator[None]:
    """Let go of the store at the end; and say where to go on, if it is not the end."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        if isinstance(shelf, Unfinished) and not shelf.finished:
            stopped.add_note(
                f"What was finished is kept in {shelf.folder}: call sample_worlds with the same "
                f"arguments and store={str(shelf.path)!r} to go on, or remove that folder."
            )
        raise
    finally:
        shelf.close()


def _keep_finished(
    stopped: KeyboardInterrupt, drawing: Drawing, plans: WorldPlans, shelf: Shelf
) -> None:
    """Go on with the worlds that are whole, if there is a disciple's, and no store."""
    if isinstance(shelf, Unfinished):
        raise stopped
    whole = [name for world, name in enumerate(plans.names) if drawing.complete(world)]
    if len(whole) < 2 or whole[0] != plans.names[0]:
        raise stopped
    warnings.warn(
        f"interrupted: the worlds of {whole} were finished and are kept.",
        ImpactWarning,
        stacklevel=4,
    )
