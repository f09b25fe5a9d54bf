"""Is this an action that the environment knows? One for each draw, whole numbers or in a box."""

from typing import Any

import numpy as np
import torch

from counterfactual_models.errors import CounterfactualError, WorldError

__all__ = ["bounds", "legal_actions"]

_ROUNDING = 1e-6
_FEW = 8


def bounds(space: Any) -> tuple[np.ndarray, np.ndarray, bool]:
    """Tell the least and the greatest action, and whether actions are whole numbers.

    Parameters
    ----------
    space
        Gymnasium's Discrete, MultiDiscrete, MultiBinary or Box.

    Raises
    ------
    WorldError
        If it is a space of another kind.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> number = np.dtype("float32")
    >>> space = SimpleNamespace(low=np.array([-2.0]), high=np.array([2.0]), dtype=number)
    >>> bounds(space)
    (array([-2.]), array([2.]), False)
    """
    if hasattr(space, "low"):
        return np.asarray(space.low), np.asarray(space.high), space.dtype.kind in "iub"
    if hasattr(space, "nvec"):
        return np.asarray(space.start), np.asarray(space.start + space.nvec - 1), True
    if type(space).__name__ == "Discrete":
        return np.asarray(space.start), np.asarray(space.start + space.n - 1), True
    if type(space).__name__ == "MultiBinary":
        return np.zeros(space.shape, int), np.ones(space.shape, int), True
    raise WorldError(
        f"the environment's actions are a {type(space).__name__} space; expected Discrete, "
        "MultiDiscrete, MultiBinary or Box: put a wrapper around it that takes such actions "
        "(gymnasium.wrappers.TransformAction)."
    )


def legal_actions(
    space: Any, answer: Any, rows: int, *, who: str, error: type[CounterfactualError]
) -> np.ndarray:
    """Read what somebody would do, once for each draw, and refuse what the environment forbids.

    Parameters
    ----------
    space
        The environment's action space.
    answer
        (rows, ...) numbers, or one action for all rows; a tensor, array or list.
    rows
        How many draws there are.
    who, error
        How the message begins, and what is raised.

    Returns
    -------
    ndarray
        (rows, ...), of the space's own dtype.

    Raises
    ------
    CounterfactualError
        Of the class given, if it is of another shape, not finite, not whole, or out of bounds.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> space = SimpleNamespace(
    ...     low=np.array([-2.0]), high=np.array([2.0]), shape=(1,), dtype=np.dtype("float32"))
    >>> legal_actions(space, [0.5], 3, who="idle", error=WorldError).ravel().tolist()
    [0.5, 0.5, 0.5]
    """
    low, high, whole = bounds(space)
    try:
        given = answer.detach().cpu() if isinstance(answer, torch.Tensor) else answer
        found = np.asarray(given)
        numeric = found.dtype.kind in "fiub"
    except (TypeError, ValueError):
        numeric = False
    if not numeric:
        raise error(f"{who} gave {answer!r}; expected actions: numbers of {space}.")
    shape = tuple(space.shape)
    if found.shape not in (shape, (rows, *shape)):
        raise error(
            f"{who} gave actions of shape {found.shape}; expected {(rows, *shape)}, one for each "
            f"of {rows} draws (or {shape}, one for all): a policy sees many draws at once, first "
            "axis = draws." + _instead(found, shape, whole)
        )
    found = np.broadcast_to(found, (rows, *shape))
    slack = 0.0 if whole else _ROUNDING * np.maximum(1.0, np.abs(found))
    # Written so that NaN, of which no comparison holds, is bad.
    good = (found >= low - slack) & (found <= high + slack)
    if whole and found.dtype.kind == "f":
        good &= found == np.rint(found)
    if not good.all():
        worst = found[tuple(np.argwhere(~good)[0])]
        raise error(f"{who} gave {worst.item()!r}, which is no action of {space}.")
    return found.clip(low, high).astype(space.dtype)


def _instead(found: np.ndarray, shape: tuple[int, ...], whole: bool) -> str:
    """Spell a single number as an action of few."""
    if found.ndim or len(shape) != 1 or shape[0] > _FEW:
        return ""
    spelled = [int(found) if whole and found == np.rint(found) else float(found)] * shape[0]
    return f" Or give {spelled}."
