r"""How is noise kept from being charged?

.. math:: \operatorname{sign}(d) \sqrt{|d|}, \qquad d = \mathrm{plugin}^2 - \mathrm{floor}^2

is what a measurement shows beyond its floor. It keeps its sign, so that noise falls on either side
of 0 and cancels in a mean over measurements; only the mean is cut off at 0. What is nearer than
the same world would be in 99 draws of 100 says nothing of impact, and counts 0. The error is how
far the number moves if plugin moves by its own error either way: near the floor, that is further.
"""

import xarray as xr

__all__ = ["FLIPS", "TOO_NEAR", "beyond_floor", "signed_root"]

FLIPS = 200
"""Random signs behind a floor. More would serve p-values, which nobody asks for here."""
TOO_NEAR = 0.99


def beyond_floor(shown: xr.Dataset) -> xr.Dataset:
    """Take the floor away, keep what falls below it, and see how far an error moves that.

    Parameters
    ----------
    shown
        With ``plugin``, its ``floor`` and ``mcse``, and ``p``, how likely the same world shows as
        much; of any dims.

    Returns
    -------
    xr.Dataset
        ``penalty``, which may be negative, ``mcse`` and ``floor``, of the same dims; NaN where the
        plugin is.

    Examples
    --------
    >>> shown = {"plugin": [0.5, 0.03, 0.01], "floor": [0.05] * 3, "mcse": [0.01] * 3}
    >>> shown = {"p": [0.0, 0.5, 1.0]} | shown
    >>> shown = xr.Dataset({name: ("measurement", numbers) for name, numbers in shown.items()})
    >>> beyond_floor(shown)["penalty"].values.round(3)
    array([ 0.497, -0.04 ,  0.   ])
    """
    plugin, floor, error = shown["plugin"], shown["floor"], shown["mcse"]

    def beyond(at: xr.DataArray) -> xr.DataArray:
        return signed_root(at * abs(at) - floor**2)

    moved = (beyond(plugin + error) - beyond(plugin - error)) / 2
    told = beyond(plugin).where(~(shown["p"] >= TOO_NEAR) | plugin.isnull(), 0.0)
    return xr.Dataset({"penalty": told, "mcse": moved, "floor": floor})


def signed_root(value: xr.DataArray) -> xr.DataArray:
    """Take the root of the modulus, and keep the sign.

    Examples
    --------
    >>> signed_root(xr.DataArray([4.0, 0.0, -9.0])).values
    array([ 2.,  0., -3.])
    """
    return value / abs(value).clip(min=1e-300) ** 0.5
