"""Is this a policy? It answers many draws at once, and by what it sees alone.

A memory or a coin of its own would mix draws: they stand side by side, and are asked in any order.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from counterfactual_models.errors import CounterfactualError

__all__ = ["ask_policy", "refuse_memory"]


def ask_policy(
    policy: Callable[[Any], Any],
    seen: Any,
    rows: int,
    *,
    who: str,
    error: type[CounterfactualError],
) -> Any:
    """Ask a policy what it would do, and say what it got if it fails.

    Parameters
    ----------
    policy, seen
        What is asked, and the observations, first axis = draws.
    rows
        How many draws there are. With several, a failure goes through as it is: single draws
        decide whether it is an error.
    who, error
        How the message begins, and what is raised.

    Raises
    ------
    CounterfactualError
        Of the class given, if the policy fails.
    """
    try:
        return policy(seen)
    except CounterfactualError:
        raise
    except Exception as fault:
        if rows > 1:
            raise
        text = " ".join(str(fault).split())[:200]
        raise error(
            f"{who} failed with {type(fault).__name__}: {text}. A policy sees many draws at once: "
            f"got {_told(seen)}, first axis = draws."
        ) from fault


def refuse_memory(
    act: Callable[[Any], np.ndarray],
    moments: Sequence[Any],
    actions: Sequence[np.ndarray],
    *,
    who: str,
    error: type[CounterfactualError],
) -> None:
    """Ask a policy about an episode again, from its end to its beginning.

    Parameters
    ----------
    act
        Observations -> actions.
    moments, actions
        What was seen, and what was done then.
    who, error
        How the message begins, and what is raised.

    Raises
    ------
    CounterfactualError
        Of the class given, if it would now do something else.
    """
    # Backwards: a count or the last observation would come round again in the same order.
    for moment, before in reversed(list(zip(moments, actions, strict=False))):
        if not np.array_equal(act(moment), before):
            raise error(
                f"{who} does not do the same twice when it sees the same: it keeps something from "
                "one call to the next (a count, a memory), or has random numbers of its own. "
                "Decide by what is seen; put what has to be remembered into the observations "
                "(gymnasium.wrappers.TimeAwareObservation, FrameStackObservation), and chance "
                "into the environment (a gymnasium.ActionWrapper that takes a probability)."
            )


def _told(seen: Any) -> str:
    if isinstance(seen, torch.Tensor):
        return f"shape {tuple(seen.shape)}, dtype {seen.dtype}"
    if isinstance(seen, dict):
        return "a dict of " + "; ".join(f"{name!r}: {_told(part)}" for name, part in seen.items())
    return "a tuple of " + "; ".join(map(_told, seen))
