r"""Is it an impact that the disciple is there?

Ten cells of the world, all as likely, and a tag on the building that the disciple runs in:

.. math:: u \sim \mathrm{Uniform}\{0, \dots, 9\}, \qquad \mathrm{tag} = X

The disciple is idle. Whoever grains the world so finely that the tag is seen finds that no world
of P(e,S,1) is one of P(e,S,0): their distance is as great as can be, and their divergence is
infinite. A coarse grain, or any number that forgets which world is which, finds nothing.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012), on coarse graining.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.errors import WorldError
from counterfactual_models.primitives import measure, wire
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.finite_truth import FiniteTruth

__all__ = ["exact", "example", "idle", "tag"]

CELLS = 10


def idle() -> torch.Tensor:
    """Be there, and do nothing."""
    return torch.ones(())


def tag(disciple: Callable[..., Any], *, coarse: bool = True) -> None:
    """Run the world: the wire, a cell of the world, a tag.

    Parameters
    ----------
    disciple
        Nothing -> whether it is there.
    coarse
        Whether the tag is left out of what is measured.
    """
    act = wire(disciple, idle=torch.zeros(()))
    here = act()
    measure("cell", pyro.sample("weather", dist.Categorical(torch.full((CELLS,), 1 / CELLS))))
    if coarse:
        pyro.deterministic("tag", here)
    else:
        measure("tag", here)


def exact(
    disciple: Callable[..., Any], evidence: Mapping[str, Any], *, coarse: bool = True
) -> FiniteTruth:
    """Work out the laws of the cell, and of the tag where it is measured.

    Parameters
    ----------
    disciple
        Nothing -> whether it is there.
    evidence
        None is needed.
    coarse
        As in the world.

    Examples
    --------
    >>> [exact(idle, {}, coarse=coarse).joint_tv for coarse in (True, False)]
    [0.0, 1.0]
    >>> exact(idle, {}, coarse=False).rearranged_tv
    0.0
    """
    here = (0.0, float(disciple()))
    return FiniteTruth.of_noise(
        lambda on, _, cell: (cell,) if coarse else (cell, here[on]),
        {"weather": dict.fromkeys(range(CELLS), 1 / CELLS)},
        evidence,
        names=["cell"] if coarse else ["cell", "tag"],
    )


def example(*, coarse: bool = True) -> Example:
    """Make the world with its idle disciple.

    Parameters
    ----------
    coarse
        Whether the tag is left out of what is measured.

    Returns
    -------
    Example

    Raises
    ------
    WorldError
        If `coarse` is neither True nor False.

    Examples
    --------
    >>> ex = example(coarse=False)
    >>> ex.exact(ex.disciples["idle"]).tv().round(6).tolist()
    [0.0, 1.0]
    """
    if not isinstance(coarse, bool):
        raise WorldError(f"got coarse={coarse!r}; expected True or False.")
    return Example(
        name="tag",
        world=partial(tag, coarse=coarse),
        evidence={},
        disciples={"idle": idle},
        exact=partial(exact, evidence={}, coarse=coarse),
        about="A disciple does nothing, and its being there can be seen.",
        truth={"idle": "low"},
        case="T02, Armstrong 2012",
    )
