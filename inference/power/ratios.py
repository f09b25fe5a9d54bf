r"""How much likelier is the world of a disciple in the erased world than where it was let in?

.. math:: r(w) = \frac{p(w \mid \mathrm{past}, X=0)}{p(w \mid \mathrm{past}, S, X=1)},
          \qquad P(e,S,0)(U \ge u) = E_{P(e,S,1)}[\, r(w)\, 1\{U_0(w) \ge u\} ]

at the values of the sites, which make worlds of both kinds; :math:`U_0` is what these values are
worth where the disciple is erased. What it sets without drawing leaves the ratio at one, and shows
in :math:`U_0` alone.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr

from counterfactual_models.errors import WorldError
from inference import schema
from inference.arrays.order.baselines import KEPT
from inference.passes import Pass, Program
from inference.scores.programs import density_of
from inference.scores.rows import Mapped, Rows
from inference.scores.ways import Looking, Pins
from inference.utility_values import utility_values
from inference.world_plans import WorldPlans

__all__ = ["Ratios", "log_ratios"]

Ratios = tuple[np.ndarray, np.ndarray]
"""Log ratios and erased utilities of the draws of a disciple, flat."""


def log_ratios(
    plans: WorldPlans,
    drawn: xr.Dataset,
    name: str,
    utility: Callable[[Mapping[str, Any]], Any],
    watch: Callable[[int], Any],
) -> Ratios:
    """Weigh the worlds of one disciple by the density of the erased world.

    Parameters
    ----------
    plans, drawn
        Of the worlds, and their draws.
    name
        The disciple.
    utility
        Of what is measured.
    watch
        Told how many draws are done.

    Returns
    -------
    tuple of ndarray
        Log ratio, and what the same sites are worth erased, flat over (chain, draw[, future]).

    Raises
    ------
    WorldError
        If there is evidence after the switch, whose probability is not known, if sites that are
        drawn were not kept, or if the disciple rules out the best of the erased worlds; without
        a full stop, as a reason.
    """
    erased, let_in = plans.plans[0].program, plans.plans[plans.names.index(name)].program
    sites = _shared(plans, let_in.anatomy.sites)
    chance = utility_values(drawn, [schema.ERASED], utility)
    asked = [n for n in chance.attrs["measurements"] if n in plans.recorded]
    if not asked:
        raise WorldError("the utility asks for nothing that the world measures")
    _refuse_ruled_out(plans, drawn, let_in, sites, np.argsort(-chance.values.ravel())[:KEPT])
    rows = _rows(plans, drawn, name, sites)
    off, measured = _looked(erased, sites, asked, rows, watch)
    on, _ = _looked(let_in, sites, [], rows, watch)
    own = drawn.sel({schema.DISCIPLE: [name]})
    variables = {
        n: own[n]
        .transpose(schema.DISCIPLE, *plans.lead, ...)
        .copy(data=values.reshape(1, *plans.shape, *values.shape[1:]))
        for n, values in measured.items()
    }
    erased_utility = utility_values(xr.Dataset(variables), [name], utility)
    return off - on, erased_utility.values.ravel()


def _looked(
    program: Program,
    sites: list[str],
    asked: list[str],
    rows: Rows,
    watch: Callable[[int], Any] | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Sum the log densities of sites in one world, by draw, and read off what is asked for."""
    total = np.zeros(rows.count)
    measured: dict[str, np.ndarray] = {}

    def extract(happened: Pass) -> dict[str, torch.Tensor]:
        found = {n: density_of(program, happened.sites[n]) for n in sites}
        return found | {f"value {n}": torch.as_tensor(happened.sites[n]["value"]) for n in asked}

    def look(way: Looking, pins: Pins, number: int) -> dict[str, torch.Tensor]:
        return way.look(extract, pins, number)

    def write(part: slice, found: dict[str, torch.Tensor]) -> None:
        # Written, not added: a way that was refused begins again.
        count = part.stop - part.start
        total[part] = sum(found[n].reshape(count, -1).double().sum(1).numpy() for n in sites)
        for n in asked:
            value = found[f"value {n}"].numpy()
            whole = measured.setdefault(n, np.empty((rows.count, *value.shape[1:]), value.dtype))
            whole[part] = value

    Mapped(program).over(look, rows, write, watch=watch)
    return total, measured


def _refuse_ruled_out(
    plans: WorldPlans, drawn: xr.Dataset, let_in: Program, sites: list[str], best: np.ndarray
) -> None:
    """Refuse a disciple that never does what the best erased draws do: it cannot stand for them.

    Its own draws do not tell: where it never goes there are none, and their weights are light.
    """
    every = _rows(plans, drawn, schema.ERASED, sites)
    draw = best if every.draw is None else every.draw[best]
    rows = Rows(every.past, len(best), draw, {n: v[best] for n, v in every.own.items()})
    never = [n for n in sites if not np.isfinite(_looked(let_in, [n], [], rows)[0]).all()]
    if never:
        raise WorldError(
            f"the disciple rules out values of {never} that the best of the erased draws have"
        )


def _shared(plans: WorldPlans, others: Mapping[str, Any]) -> list[str]:
    """Find the future sites that both worlds draw; refuse what cannot be weighed."""
    if plans.later:
        raise WorldError(
            f"there is evidence after the switch, on {plans.later}: how likely it was in either "
            "world is not known, and so neither are their densities"
        )
    drawn = [
        name
        for name, site in plans.whole.sites.items()
        if name in plans.whole.future and not site.computed and name not in plans.known
    ]
    lost = [name for name in drawn if name not in plans.recorded]
    if lost:
        raise WorldError(f"the draws of {lost} were not kept")
    own = [n for n, s in others.items() if n not in plans.whole.sites and not s.computed]
    if own:
        raise WorldError(f"the disciple draws {own} for itself, which were not kept")
    alone = [name for name in drawn if name not in others]
    if alone:
        raise WorldError(f"{alone} are drawn only where the disciple is erased")
    return drawn


def _rows(plans: WorldPlans, drawn: xr.Dataset, name: str, sites: list[str]) -> Rows:
    own = drawn.sel({schema.DISCIPLE: name}, drop=True)
    kept = {}
    for site in sites:
        values = own[site].transpose(*plans.lead, ...).values
        flat = values.reshape(-1, *values.shape[len(plans.lead) :])
        kept[site] = flat.astype(plans.site(site).value.numpy().dtype, copy=False)
    draw = np.repeat(np.arange(plans.draws), plans.futures) if plans.futures > 1 else None
    return Rows(plans.pins, plans.draws * plans.futures, draw, kept)
