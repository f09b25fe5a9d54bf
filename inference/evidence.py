"""What does this file say was observed? Reads a .csv, .json or .nc file into evidence.

Evidence is a dict: name of a sample site -> observed numbers. Only reading happens here; whether
the names and shapes fit the world is asked where the posterior is drawn.
"""

import csv
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from counterfactual_models.errors import EvidenceError

__all__ = ["read_evidence"]


def read_evidence(path: str | Path) -> dict[str, np.ndarray]:
    """Read observed values by site name; refuse what is missing, misnamed or no number.

    Parameters
    ----------
    path
        A file whose ending says what it is:

        ``.csv``
            UTF-8, comma-separated, a header of site names; a column is a site. A file of one row
            holds scalars (shape ``()``), otherwise a column is a vector over the rows.
        ``.json``
            An object, site name -> number or (nested) list of numbers.
        ``.nc``
            A netCDF dataset whose variables are sites; of a saved tree of worlds its
            ``observed_data``. Coordinates are labels, not sites.

    Returns
    -------
    dict of str to np.ndarray
        float64, finite, in the file's order; ``true`` and ``false`` are 1 and 0.

    Raises
    ------
    EvidenceError
        In one line: the file, the row and column (or site and index), and what to do.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "evidence.json"
    ...     _ = file.write_text('{"demand": 21.5, "orders": [19, 24, 22]}')
    ...     evidence = read_evidence(file)
    >>> {site: values.shape for site, values in evidence.items()}
    {'demand': (), 'orders': (3,)}
    """
    path = Path(path)
    readers = {".csv": _read_csv, ".json": _read_json, ".nc": _read_netcdf}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise EvidenceError(f"{path}: expected a file of evidence ending in .csv, .json or .nc.")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise EvidenceError(f"{path}: is empty; expected the observed value of each site.")
        evidence = reader(path)
    except UnicodeDecodeError as error:
        raise EvidenceError(f"{path}: is no UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise EvidenceError(f"{path}: cannot be read: {error.strerror or error}.") from error
    if not evidence:
        raise EvidenceError(f"{path}: names no site; expected the observed value of each site.")
    return evidence


def _read_csv(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="", encoding="utf-8-sig") as file:  # -sig: Excel puts a mark first
        try:
            rows = list(csv.reader(file, strict=True))
        except csv.Error as error:
            raise EvidenceError(f"{path}: is no comma-separated table: {error}.") from error
    while rows and not "".join(rows[-1]).strip():
        rows.pop()
    if not rows:
        raise EvidenceError(f"{path}: is empty; expected a header of site names, then numbers.")
    sites = _header(path, rows[0])
    if len(rows) == 1:
        raise EvidenceError(f"{path}: has a header and no row below it; add the observed values.")
    table = np.array([_row(path, number, row, sites) for number, row in enumerate(rows[1:], 2)])
    return {site: table[0, k] if len(table) == 1 else table[:, k] for k, site in enumerate(sites)}


def _header(path: Path, cells: list[str]) -> list[str]:
    sites = [cell.strip() for cell in cells]
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(sites) == 1 and separator in sites[0]:
            raise EvidenceError(f"{path}: is separated by {name}; save it with commas.")
    for column, site in enumerate(sites, 1):
        if not site or _is_number(site):
            raise EvidenceError(
                f"{path}, row 1, column {column}: got {site!r}; expected a site's name there."
            )
    _refuse_twins(path, sites)
    return sites


def _row(path: Path, number: int, row: list[str], sites: list[str]) -> list[float]:
    if row and len(row) != len(sites):
        raise EvidenceError(
            f"{path}, row {number}: has {len(row)} cells, the header has {len(sites)}; "
            "give each column one number (a comma inside a number needs to go)."
        )
    return [
        _cell(path, number, site, cell)
        for site, cell in zip(sites, row or [""] * len(sites), strict=True)
    ]


def _cell(path: Path, number: int, site: str, cell: str) -> float:
    where = f"{path}, row {number} (the header is row 1), column {site!r}"
    cell = cell.strip()
    if not cell:
        raise EvidenceError(
            f"{where}: is blank; fill it in, or use .json where sites differ in length."
        )
    if not _is_number(cell):
        raise EvidenceError(
            f"{where}: got {cell[:40]!r}; expected a number (1 or 0 for yes or no)."
        )
    return _finite(float(cell), where)


def _read_json(path: Path) -> dict[str, np.ndarray]:
    text = path.read_text(encoding="utf-8-sig")
    try:
        read = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"{path}: is no JSON of numbers: {error}.") from error
    if not isinstance(read, _Pairs):
        raise EvidenceError(
            f"{path}: holds a {type(read).__name__}; "
            'expected an object, site -> numbers: {"orders": [19, 24]}.'
        )
    _refuse_twins(path, [site for site, _ in read])
    for site, value in read:
        _shape(value, f"{path}, {site}")
    return {site: np.asarray(value, dtype=np.float64) for site, value in read}


class _Pairs(tuple[tuple[str, Any], ...]):
    """A JSON object before its keys are merged, so that a name given twice is seen."""


def _shape(value: Any, where: str) -> tuple[int, ...]:
    if isinstance(value, bool | int | float):
        _finite(value, where)
        return ()
    if not isinstance(value, list) or not value:
        got = {"NoneType": "null", "_Pairs": "an object", "list": "an empty list"}.get(
            type(value).__name__, repr(value)[:40]
        )
        raise EvidenceError(f"{where}: got {got}; expected a number or a list of numbers.")
    shapes = [_shape(inner, f"{where}[{k}]") for k, inner in enumerate(value)]
    odd = next((k for k, shape in enumerate(shapes) if shape != shapes[0]), None)
    if odd is not None:
        raise EvidenceError(
            f"{where}[{odd}]: has the shape {shapes[odd]}, {where}[0] has {shapes[0]}; "
            "make them equally long."
        )
    return (len(value), *shapes[0])


def _read_netcdf(path: Path) -> dict[str, np.ndarray]:
    import xarray as xr

    try:
        with xr.open_datatree(path, engine="netcdf4", decode_times=False) as tree:
            group = "observed_data" if "observed_data" in tree.children else "/"
            if group == "/" and not tree.data_vars and tree.children:
                raise EvidenceError(
                    f"{path}: has the groups {list(tree.children)} and no 'observed_data'; "
                    "expected variables named as sites."
                )
            return {
                str(site): _variable(values, f"{path}, {site}")
                for site, values in tree[group].data_vars.items()
            }
    except (OSError, RuntimeError) as error:
        raise EvidenceError(f"{path}: is no netCDF file; write it with to_netcdf.") from error


def _variable(values: Any, where: str) -> np.ndarray:
    if values.dtype.kind not in "biuf" or " since " in str(values.attrs.get("units", "")):
        raise EvidenceError(f"{where}: holds dates or text ({values.dtype}); expected numbers.")
    if values.size == 0:
        raise EvidenceError(f"{where}: has the shape {values.shape}, no value; leave it out.")
    array = np.asarray(values.values, dtype=np.float64)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        _finite(float(array[tuple(bad[0])]), f"{where}{bad[0].tolist() if array.ndim else ''}")
    return array


def _refuse_twins(path: Path, sites: list[str]) -> None:
    for site, count in Counter(sites).items():
        if not site.strip():
            raise EvidenceError(f"{path}: a value has no name; expected the name of its site.")
        if count > 1:
            raise EvidenceError(f"{path}: site {site!r} comes {count} times; keep one of them.")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000 as a thousand


def _finite(value: float, where: str) -> float:
    try:
        if math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise EvidenceError(f"{where}: is {str(value)[:40]}; expected a finite number.")
