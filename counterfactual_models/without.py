r"""What if some of the data had not been seen? A world in which they count for nothing.

.. math:: p(z \mid e_{-j}) \propto p(z) \prod_{i \ne j} p(e_i \mid z)

The sites stay, with all their places, and so do shapes, labels and latents: only the density of
the places named is left out, as ``poutine.mask`` does. Every engine of the posterior takes such a
world as it is.
"""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any

import torch
from pyro.poutine.messenger import Messenger

from counterfactual_models.errors import WorldError, nearest

__all__ = ["Unseen", "without"]


class Unseen(Messenger):
    """Takes the density of some places out of sites.

    Parameters
    ----------
    places
        Site name -> which places of its batch are left out, true where they are.

    Raises
    ------
    WorldError
        If a site is not there, or its batch has another shape; when the program runs.
    """

    def __init__(self, places: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.places = {name: torch.as_tensor(where).bool() for name, where in places.items()}

    def __enter__(self) -> Any:
        self._met: dict[str, bool] = {}
        return super().__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        super().__exit__(kind, error, trace)
        missing = [name for name in self.places if name not in self._met]
        if missing and kind is None:
            raise WorldError(
                f"the world has no site {missing[0]!r} to leave out. "
                + nearest(missing[0], self._met)
            )

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        name = msg["name"]
        self._met[name] = True
        if name not in self.places:
            return
        seen, batch = ~self.places[name], tuple(msg["fn"].batch_shape)
        # Under a plate over draws the batch has more axes to the left.
        if batch[len(batch) - seen.ndim :] != tuple(seen.shape):
            raise WorldError(
                f"site {name!r} has a batch of shape {batch}, and what is left out of it is of "
                f"shape {tuple(seen.shape)}; expected a flag for each place of the batch."
            )
        before = msg["mask"]
        msg["mask"] = seen if before is None else torch.as_tensor(before) & seen


def without(world: Callable[..., Any], places: Mapping[str, torch.Tensor]) -> Callable[..., Any]:
    """Make a world in which some data count for nothing, whatever their values.

    Parameters
    ----------
    world
        A Pyro program that takes the disciple.
    places
        Site name -> which places of its batch are left out, true where they are; of the shape of
        the site's batch, that is without the axes that belong to a single datum.

    Returns
    -------
    callable
        The same world, of the same name. What its future reads of these data is there as ever:
        only the belief about the past forgets them.

    Raises
    ------
    WorldError
        When it is run, if a site is not there or of another shape.

    Examples
    --------
    >>> import pyro, pyro.distributions as dist, pyro.poutine as poutine
    >>> def world(disciple):
    ...     level = pyro.sample("level", dist.Normal(0.0, 1.0))
    ...     with pyro.plate("week", 2):
    ...         pyro.sample("e", dist.Normal(level, 1.0), obs=torch.tensor([0.0, 9.0]))
    >>> blind = without(world, {"e": torch.tensor([False, True])})
    >>> trace = poutine.trace(blind).get_trace(None)
    >>> trace.compute_log_prob()
    >>> (trace.nodes["e"]["log_prob"] == 0).tolist()
    [False, True]
    """
    if type(world) is partial:  # Pyro's handlers make subclasses that call otherwise
        return partial(without(world.func, places), *world.args, **world.keywords)
    return partial(_blind(world), dict(places))


def _blind(world: Callable[..., Any]) -> Callable[..., Any]:
    """Bind nothing but the world: what is left out is an argument, which a world's hash reads."""

    @wraps(world)
    def run(places: Mapping[str, torch.Tensor], /, *args: Any, **keywords: Any) -> Any:
        with Unseen(places):
            return world(*args, **keywords)

    return run
