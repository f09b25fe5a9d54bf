r"""Picture: what do the measurements look like with the disciple let in, and with it erased?

A ridge: one row per measurement, one column per disciple, the erased world behind each. Rows are
on one scale: a draw :math:`w` stands at :math:`(w - \mathrm{median}_0) / \mathrm{spread}_0`, with
the median and the spread (interquartile range / 1.35) of the erased world.
"""

from collections.abc import Sequence

import arviz_plots as azp
import xarray as xr

from inference.plots import style
from inference.plots.ridge_panels import (
    draw_ridge,
    ridge_draws,
    ridge_marks,
    ridge_notes,
    ridge_size,
)
from inference.schema import DISCIPLE, MEASUREMENT

__all__ = ["plot_worlds"]


def plot_worlds(
    worlds: xr.DataTree | xr.Dataset,
    *,
    disciples: Sequence[str] | str | None = None,
    measurements: Sequence[str] | str | None = None,
    order: str = "difference",
    max_rows: int = 40,
    max_columns: int = 6,
    figsize: tuple[float, float] | None = None,
) -> azp.PlotCollection:
    r"""Draw every measurement's law with each disciple let in over its law with them erased.

    A measurement of a few values is drawn as bars, one with lumps as a histogram, any other as a
    smooth density (ArviZ's). Within a row heights are comparable, save that a world more than
    four times as narrow as another is cut down to the row. Draws beyond the axis (1% or more) are
    told by an arrow at its edge, with their share, or the median where that is beyond it too.

    Parameters
    ----------
    worlds
        The tree that ``sample_worlds`` returns.
    disciples, measurements
        Names to keep (``"visits"`` keeps all of ``visits[...]``); all by default.
    order
        ``"difference"``: most different first (largest gap between cumulative curves, over
        disciples). ``"given"``: as `measurements` names them, else as the world measured them.
    max_rows, max_columns
        At most so many measurements and disciples, the most different; the picture says when it
        leaves some out.
    figsize
        Width and height in inches; by default they follow the number of rows and columns.

    Returns
    -------
    arviz_plots.PlotCollection
        One plot per disciple; visuals ``face`` and ``edge``, coloured by ``X``. Its ``data`` are
        the outlines that are drawn: (disciple, X, measurement, axis, point), heights up to 1.

    Raises
    ------
    DiscipleError, MeasurementError
        If a name is not there, or a measurement is not finite.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> price = xr.DataArray(
    ...     np.random.default_rng(0).normal([[[0.0]], [[1.0]]], 1.0, size=(2, 1, 200)),
    ...     dims=["disciple", "chain", "draw"], attrs={"role": "measurement"},
    ... )
    >>> drawn = xr.Dataset({"price": price}, coords={"disciple": ["erased", "greedy"]})
    >>> ridge = plot_worlds(drawn)
    >>> ridge.data["outline"]["measurement"].values.tolist()
    ['price']
    >>> plt.close(ridge.viz["figure"].item())
    """
    kept, flat = ridge_draws(
        worlds,
        disciples=disciples,
        measurements=measurements,
        order=order,
        max_rows=max_rows,
        max_columns=max_columns,
    )
    rows, columns = kept.sizes[MEASUREMENT], kept.sizes[DISCIPLE] - 1
    size = figsize or ridge_size(rows, columns, 0.52 if rows <= 20 else 0.42)
    with style.house_style():
        ridge = draw_ridge(worlds, kept, figsize=size)
        style.frame(
            ridge.viz["figure"].item(),
            title="What the world looks like with each disciple let in, and erased",
            handles=ridge_marks(),
            notes=ridge_notes(kept, flat),
        )
    return ridge
