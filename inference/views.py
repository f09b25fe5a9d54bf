"""The same worlds, laid out as ArviZ's own plots want them.

Two worlds to be coloured by the switch, or one world per ``model``: nothing is computed, draws,
attributes and coordinates stay as they are. ArviZ takes the views as they come (keywords only;
a ridge or a forest has one axis, so name measurements of one unit)::

    azp.plot_dist(as_models(worlds))
    azp.plot_ridge(
        pair(worlds, "modest"),
        var_names=["visits"],
        combined=True,
        aes={"color": ["X"], "y": ["__variable__", "city"]},
        labels=["__variable__", "city"],
    )
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from counterfactual_models.errors import DiscipleError, nearest
from inference import schema

__all__ = ["as_models", "pair"]


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
