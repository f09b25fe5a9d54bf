"""How do variables of many dims become one dim of labels, each beside its own numbers?

ArviZ's own stacking labels by the dims of each variable and stacks by those of the whole dataset:
where two variables name the same dims in another order, labels and numbers part.
"""

import itertools
from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr

__all__ = ["labels_of", "stacked"]


def stacked(variables: xr.Dataset, lead: Sequence[str], new_dim: str) -> xr.DataArray:
    """Lay all variables along one dim, each in the order of its own dims.

    Parameters
    ----------
    variables
        What to lay out.
    lead
        Dims that stay; a variable that lacks one is the same along it.
    new_dim
        Name of the new dim.

    Returns
    -------
    xr.DataArray
        Dims `new_dim`, then `lead`; the label of a number is as ArviZ's: ``visits[paris, 3]``.

    Examples
    --------
    >>> numbers = xr.Dataset({"a": ("y", [1, 2]), "b": (("x", "y"), [[3, 4], [5, 6]])})
    >>> found = stacked(numbers, [], "number")
    >>> dict(zip(found.number.values.tolist(), found.values.tolist(), strict=True))
    {'a[0]': 1, 'a[1]': 2, 'b[0, 0]': 3, 'b[0, 1]': 4, 'b[1, 0]': 5, 'b[1, 1]': 6}
    """
    sizes = {dim: variables.sizes[dim] for dim in lead}
    labels: list[str] = []
    pieces = []
    for variable in variables.data_vars.values():
        own = [dim for dim in variable.dims if dim not in sizes]
        whole = variable.transpose(*own, *(dim for dim in lead if dim in variable.dims)).values
        missing = [slice(None) if dim in variable.dims else None for dim in lead]
        whole = whole.reshape(-1, *whole.shape[len(own) :])[(slice(None), *missing)]
        pieces.append(np.broadcast_to(whole, (len(whole), *sizes.values())))
        labels += labels_of(variable, lead)
    values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    coords = {dim: variables[dim] for dim in lead if dim in variables.coords}
    return xr.DataArray(
        values, dims=[new_dim, *lead], coords={new_dim: np.array(labels, dtype=object), **coords}
    )


def labels_of(variable: xr.DataArray, lead: Sequence[Hashable]) -> list[str]:
    """Label every place of a variable by its own dims, in their order.

    Examples
    --------
    >>> labels_of(xr.DataArray([[1, 2]], {"city": ["rome"]}, ["city", "day"], name="visits"), [])
    ['visits[rome, 0]', 'visits[rome, 1]']
    """
    own = [dim for dim in variable.dims if dim not in lead]
    if not own:
        return [str(variable.name)]
    places = itertools.product(*(_printed(variable[dim].values) for dim in own))
    return [f"{variable.name}[{', '.join(place)}]" for place in places]


def _printed(places: np.ndarray) -> list[str]:
    # As a list, dates would be numbers of nanoseconds.
    return [str(place) for place in (places if places.dtype.kind in "mM" else places.tolist())]
