"""The same worlds, laid out as ArviZ's own plots want them.

Two worlds to be coloured by the switch, one world per ``model``, or many short chains laid end to
end in a few: nothing is computed, draws, attributes and coordinates stay as they are. ArviZ takes
the views as they come (keywords only; a ridge or a forest has one axis, so name measurements of
one unit)::

    azp.plot_dist(as_models(worlds))
    azp.plot_ridge(
        pair(worlds, "modest"),
        var_names=["visits"],
        combined=True,
        aes={"color": ["X"], "y": ["__variable__", "city"]},
        labels=["__variable__", "city"],
    )
    azp.plot_trace_dist(regroup(posterior, chains=4))
"""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.errors import DiscipleError, WorldError, nearest, refuse_counts
from inference import schema

__all__ = ["as_models", "pair", "regroup"]

_CHAIN_OF_RUN = "chain_of_run"


def pair(worlds: xr.DataTree | xr.Dataset, disciple: str) -> xr.Dataset:
    r"""Set the world with one disciple let in beside the world with it erased.

    Parameters
    ----------
    worlds
        The tree that ``sample_worlds`` returns, or its ``predictions`` group.
    disciple
        The one to compare.

    Returns
    -------
    xr.Dataset
        Every variable of the worlds with the dim ``X`` (0 erased, 1 let in) in place of
        ``disciple``. Attributes are kept, with ``disciple`` added.

    Raises
    ------
    DiscipleError
        If no disciple has this name, or it is ``erased`` itself; the nearest one is offered.

    Examples
    --------
    >>> drawn = xr.Dataset(
    ...     {"clips": (("disciple", "chain", "draw"), [[[1.0, 2.0]], [[5.0, 6.0]]])},
    ...     coords={"disciple": ["erased", "greedy"], "X": ("disciple", [0, 1])},
    ... )
    >>> pair(drawn, "greedy")["clips"].sel(X=1).values.tolist()
    [[5.0, 6.0]]
    """
    drawn = schema.predictions(worlds)
    (name,) = _named(drawn, [disciple])
    chosen = drawn.sel({schema.DISCIPLE: [schema.ERASED, name]}).drop_vars(
        [schema.SWITCH, schema.DISCIPLE], errors="ignore"
    )
    switched = chosen.rename({schema.DISCIPLE: schema.SWITCH}).assign_coords(
        {schema.SWITCH: [0, 1]}
    )
    return switched.assign_attrs({schema.DISCIPLE: name})


def as_models(
    worlds: xr.DataTree | xr.Dataset, disciples: Sequence[str] | str | None = None
) -> xr.Dataset:
    r"""Lay the worlds along ``model``, the dim that ArviZ colours by itself.

    Parameters
    ----------
    worlds
        The tree that ``sample_worlds`` returns, or its ``predictions`` group.
    disciples
        Names to keep beside ``erased``; all by default.

    Returns
    -------
    xr.Dataset
        Every variable of the worlds with the dim ``model`` in place of ``disciple``, its labels
        the disciples' names, ``erased`` first.

    Raises
    ------
    DiscipleError
        If no disciple has this name; the nearest one is offered.

    Examples
    --------
    >>> drawn = xr.Dataset(
    ...     {"clips": (("disciple", "chain", "draw"), [[[5.0, 6.0]], [[1.0, 2.0]]])},
    ...     coords={"disciple": ["greedy", "erased"], "X": ("disciple", [1, 0])},
    ... )
    >>> as_models(drawn)["model"].values.tolist()
    ['erased', 'greedy']
    """
    drawn = schema.predictions(worlds)
    chosen = drawn.sel({schema.DISCIPLE: [schema.ERASED, *_named(drawn, disciples)]})
    return chosen.drop_vars(schema.SWITCH, errors="ignore").rename({schema.DISCIPLE: "model"})


def regroup(tree: xr.DataTree, *, chains: int = 4) -> xr.DataTree:
    r"""Lay many short chains end to end in a few long ones, for plots that show chains apart.

    .. math:: \mathrm{chain}' = \lfloor c / k \rfloor, \quad
       \mathrm{draw}' = (c \bmod k)\, T + t, \quad k = C / C'

    is where draw `t` of chain `c` goes, of `C` chains with `T` draws each. Chains stay whole and
    in their order: counted through, chain by chain, the draws are the same, and ``posterior_draw``
    goes on pointing at the right ones.

    R-hat of the folded chains is not that of the run: k chains count as one, and what tells them
    apart is lost. Judge the run first (the group `convergence`, or ``arviz_stats.rhat`` of the
    tree as it was), then fold it to look at it. Autocorrelation is broken at every seam.

    Parameters
    ----------
    tree
        Any tree with the dims chain and draw: a posterior, drawn worlds, an ArviZ tree.
    chains
        Chains to keep. Groups that have no more than this stay as they are.

    Returns
    -------
    xr.DataTree
        Every group with the dims chain and draw is folded: chain and draw count from 0, all other
        dims and their labels stay. What a group says once a chain, or once a draw, is repeated. A
        group with chains and no draws calls them ``chain_of_run``. The attribute ``folded`` holds,
        for each group, the chains of the run and those that are left.

    Raises
    ------
    WorldError
        If the chains of a group cannot be shared out evenly; the numbers that fit are named.

    Examples
    --------
    >>> drawn = xr.Dataset({"z": (("chain", "draw"), [[1, 2], [3, 4], [5, 6], [7, 8]])})
    >>> regroup(xr.DataTree.from_dict({"posterior": drawn}), chains=2)["posterior"]["z"].values
    array([[1, 2, 3, 4],
           [5, 6, 7, 8]])
    """
    if not isinstance(tree, xr.DataTree):
        raise WorldError(
            f"got a {type(tree).__name__}; expected a tree with the dims chain and draw, as "
            "sample_posterior(...) or sample_worlds(...) returns it."
        )
    refuse_counts(1, chains=chains)
    said = {key: tree.attrs[key] for key in ("folded", "shape") if key in tree.attrs}
    attrs = schema.decode_attrs(said)
    folded = dict(attrs.get("folded", {}))
    groups = {}
    for node in tree.subtree:
        group = node.to_dataset(inherit=False)
        count = group.sizes.get(schema.CHAIN, 0)
        if count > chains:
            name = node.path.strip("/")
            if schema.DRAW in group.dims:
                folded[name] = [folded.get(name, [count])[0], int(chains)]
            group = _folded(group, int(chains), name)
        groups[node.path] = group
    found = xr.DataTree.from_dict(groups, name=tree.name)
    if folded:
        new = {**_shape(attrs, int(chains)), "folded": folded}
        found.attrs = {**tree.attrs, **schema.encode_attrs(new)}
    return found


def _folded(group: xr.Dataset, chains: int, name: str) -> xr.Dataset:
    """Fold one group that has more chains than are wanted."""
    count = group.sizes[schema.CHAIN]
    if schema.DRAW not in group.dims:
        return group.rename({schema.CHAIN: _CHAIN_OF_RUN})
    if count % chains:
        fits = ", ".join(str(n) for n in range(1, count + 1) if count % n == 0)
        raise WorldError(
            f"{name!r} has {count} chains, which {chains} cannot share out evenly; take one of "
            f"chains={fits}, or leave some chains out first: tree.isel(chain=slice(...))."
        )
    variables: dict[Hashable, xr.Variable] = {}
    index = [dim for dim in (schema.CHAIN, schema.DRAW) if dim in group.indexes]
    for label, variable in group.drop_vars(index).variables.items():
        variables[label] = _fold(variable, dict(group.sizes), chains)
    coords = {label: variables.pop(label) for label in group.coords if label in variables}
    sizes = {schema.CHAIN: chains, schema.DRAW: count * group.sizes[schema.DRAW] // chains}
    counted = {dim: np.arange(sizes[dim]) for dim in index}
    return xr.Dataset(variables, {**coords, **counted}, group.attrs)


def _fold(variable: xr.Variable, sizes: dict[Hashable, int], chains: int) -> xr.Variable:
    """Fold one variable; all its other axes keep their places."""
    lead = (schema.CHAIN, schema.DRAW)
    missing = [dim for dim in lead if dim not in variable.dims]
    if len(missing) == len(lead):
        return variable
    variable = variable.set_dims({**{d: sizes[d] for d in missing}, **variable.sizes})
    place = min(variable.dims.index(dim) for dim in lead)
    rest = [dim for dim in variable.dims if dim not in lead]
    order = [*rest[:place], *lead, *rest[place:]]
    rows = variable.transpose(*order)
    shape = [chains, sizes[lead[0]] * sizes[lead[1]] // chains]
    data = rows.data.reshape(rows.shape[:place] + tuple(shape) + rows.shape[place + 2 :])
    return xr.Variable(order, data, variable.attrs)


def _shape(attrs: dict[str, Any], chains: int) -> dict[str, Any]:
    """Renew the attribute that holds chains and draws where there are no latents to count."""
    count, draws = attrs.get("shape", [0, 0])[:2]
    return {"shape": [chains, count * draws // chains]} if count > chains else {}


def _named(drawn: xr.Dataset, disciples: Sequence[str] | str | None) -> list[str]:
    """Refuse names that are no disciple of these worlds."""
    others = [str(name) for name in np.atleast_1d(drawn[schema.DISCIPLE].values)]
    others.remove(schema.ERASED)
    if disciples is None:
        return others
    wanted = [disciples] if isinstance(disciples, str) else [str(name) for name in disciples]
    for name in wanted:
        if name == schema.ERASED:
            raise DiscipleError(
                f"'erased' is in every view already; name a disciple. {nearest('', others)}"
            )
        if name not in others:
            raise DiscipleError(f"no disciple is named {name!r}. {nearest(name, others)}")
    return wanted
