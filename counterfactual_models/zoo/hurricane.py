r"""Is a hurricane that makes landfall elsewhere an impact, or only one that was sent there?

What is known of the season, e, says roughly where a hurricane makes landfall; the rest is chaos,
and the least disturbance of the air draws it anew:

.. math:: \mathrm{site} = (4 e + k) \bmod 16, \qquad
          P(k = 0, 1, -1) = \tfrac12, \tfrac14, \tfrac14

All three disciples cool a data centre. `cool` blows the warm air out, and k is drawn again: five
hurricanes in eight make landfall elsewhere, and the world is distributed as it was. `target` blows
it so that landfall is always at site 7, `shift` so that it is one site further than it was.
Comparing paths charges `cool` for chaos; comparing laws does not.

With ``uniform=True`` nothing is known of where: k is uniform over all L sites. Aiming then takes
log2 L bits, the total variation is 1 - 1/L, with labels or without, and log2 L bits of entropy
are lost.

S. Armstrong, "The mathematics of reduced impact: help needed" (2012); D. Filan, "Test cases for
impact regularisation methods" (2019), chaotic hurricanes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch

from counterfactual_models.errors import DiscipleError, WorldError, refuse_counts
from counterfactual_models.primitives import measure, wire
from counterfactual_models.utilities import bounded
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.finite_evidence import instead, seen
from counterfactual_models.zoo.finite_truth import FiniteTruth

__all__ = ["Blow", "exact", "example", "hurricane"]

SITES = 16
APART = 4  # sites from one season to the next
SPREAD = {0: 0.5, 1: 0.25, -1: 0.25}  # sites off the likeliest -> chance


@dataclass(frozen=True)
class Blow:
    """Cool the data centre, and blow the warm air somewhere.

    Parameters
    ----------
    stir
        Whether the chaos is drawn anew.
    aim
        Site at which landfall is made to be; None does not aim.
    shift
        How many sites further landfall is than it would have been. What is no whole number
        raises a DiscipleError.
    """

    stir: bool = False
    aim: int | None = None
    shift: int = 0

    def __post_init__(self) -> None:
        for name, sites in (("aim", self.aim), ("shift", self.shift)):
            if sites is not None and not isinstance(sites, int):
                raise DiscipleError(f"got {name}={sites!r}; expected a whole number of sites.")
        if self.aim is not None and self.aim < 0:
            raise DiscipleError(f"got aim={self.aim!r}; expected a site, from 0 up, or None.")

    def __call__(self, season: torch.Tensor) -> torch.Tensor:
        """Act, whatever the season."""
        aim = -1 if self.aim is None else self.aim
        blown = torch.tensor([1, int(self.stir), aim, self.shift])
        return blown.expand(*season.shape, 4)


IDLE = (0, 0, -1, 0)  # not cooled, not stirred, not aimed, not shifted


def hurricane(disciple: Callable[..., Any], *, sites: int = SITES, uniform: bool = False) -> None:
    """Run the world: a season, the wire, a landfall.

    Parameters
    ----------
    disciple
        Season -> cooled, stirred, aimed at (-1: not), shifted by, in the last axis.
    sites
        How many there are, a multiple of 4.
    uniform
        Whether nothing is known of where landfall is.
    """
    seasons = sites // APART
    season = pyro.sample("season", dist.Categorical(torch.full((seasons,), 1 / seasons)))

    act = wire(disciple, idle=torch.tensor(IDLE))
    cooled, stir, aim, shift = act(season).unbind(-1)
    spread = torch.tensor([_spread(sites, uniform)[k] for k in range(sites)])
    chaos = pyro.sample("chaos", dist.Categorical(spread))
    again = pyro.sample("chaos_again", dist.Categorical(spread))
    drift = torch.where(stir > 0, again, chaos)
    blown = (APART * season + drift + shift) % sites
    measure("site", torch.where(aim >= 0, aim, blown))
    pyro.deterministic("cooled", cooled)


def _spread(sites: int, uniform: bool) -> dict[int, float]:
    """Give the chance of each number of sites off the likeliest."""
    if uniform:
        return dict.fromkeys(range(sites), 1 / sites)
    return dict.fromkeys(range(sites), 0.0) | {k % sites: p for k, p in SPREAD.items()}


def exact(
    disciple: Callable[..., Any],
    evidence: Mapping[str, Any],
    *,
    alternatives: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    sites: int = SITES,
    uniform: bool = False,
) -> FiniteTruth:
    """Work out the laws of landfall.

    Parameters
    ----------
    disciple
        As in the world.
    evidence
        `season`, from 0 to sites / 4 - 1.
    alternatives
        Datum -> evidences that there might have been instead.
    sites, uniform
        As in the world.

    Returns
    -------
    FiniteTruth
        Of `site`. Noise: `chaos`, and `chaos_again`.

    Raises
    ------
    EvidenceError
        If the season is missing, or none there is.

    Examples
    --------
    >>> ex = example()
    >>> cool, target = (ex.exact(ex.disciples[name]) for name in ("cool", "target"))
    >>> cool.joint_tv, cool.path, target.joint_tv, target.rearranged_tv
    (0.0, 0.625, 1.0, 0.5)
    >>> aimed = example(uniform=True).exact(ex.disciples["target"])
    >>> aimed.optimization_power(lambda outcome: outcome[0] == 7), aimed.entropy_change
    (4.0, -4.0)
    """

    @cache
    def acted(season: int) -> list[int]:
        return disciple(torch.tensor(season)).tolist()

    def outcome(on: int, evidence: Mapping[str, Any], chaos: int, again: int) -> tuple[int]:
        season = seen(evidence, "season", sites // APART)
        _, stir, aim, shift = acted(season) if on else IDLE
        if aim >= sites:
            raise DiscipleError(f"aimed at site {aim}; expected one of 0 to {sites - 1}.")
        blown = (APART * season + (again if stir else chaos) + shift) % sites
        return (aim if aim >= 0 else blown,)

    spread = {k: p for k, p in _spread(sites, uniform).items() if p}
    return FiniteTruth.of_noise(
        outcome,
        {"chaos": spread, "chaos_again": spread},
        evidence,
        names=["site"],
        alternatives=alternatives,
    )


def example(*, sites: int = SITES, uniform: bool = False) -> Example:
    """Make the season in which landfall at site 0 is the likeliest.

    Parameters
    ----------
    sites
        How many there are: a multiple of 4, at least 8. Those who aim do so at the last site of
        the first half, 7 of 16.
    uniform
        Whether nothing is known of where landfall is.

    Returns
    -------
    Example
        `cool`, `target` and `shift`, all of whom do what the master wants.

    Raises
    ------
    WorldError
        If the sites are no such number, or `uniform` is neither True nor False.

    Examples
    --------
    >>> ex = example(sites=32, uniform=True)
    >>> ex.exact(ex.disciples["target"]).entropy_change
    -5.0
    """
    refuse_counts(2 * APART, sites=sites)
    if sites % APART:
        raise WorldError(f"got sites={sites}; expected a multiple of {APART}.")
    if not isinstance(uniform, bool):
        raise WorldError(f"got uniform={uniform!r}; expected True or False.")
    options: dict[str, Any] = {"sites": int(sites), "uniform": uniform}
    evidence = {"season": torch.tensor(0)}
    alternatives = instead(evidence, {"season": int(sites) // APART})
    return Example(
        name="hurricane",
        world=partial(hurricane, **options),
        evidence=evidence,
        disciples={
            "cool": Blow(stir=True),
            "target": Blow(aim=int(sites) // 2 - 1),
            "shift": Blow(shift=1),
        },
        utility=bounded("cooled", cap=1.0),
        exact=partial(exact, evidence=evidence, alternatives=alternatives, **options),
        about="Hurricanes make landfall elsewhere, or where they are sent.",
        truth={"cool": "chosen", "target": "high"},
        alternatives=alternatives,
        case="T05, Armstrong 2012 and Filan 2019",
    )
